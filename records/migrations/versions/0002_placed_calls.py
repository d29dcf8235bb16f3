"""Calls that were asked for: by whom, to whom, under which idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placed_calls",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("api_key", sa.String, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("bot", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String),
        sa.Column("request_hash", sa.String, nullable=False),
    )
    op.create_index(
        "placed_calls_once", "placed_calls", ["api_key", "idempotency_key"], unique=True
    )
    op.create_index("placed_calls_number", "placed_calls", ["number", "placed_at"])
    op.create_index("placed_calls_placed_at", "placed_calls", ["placed_at"])


def downgrade() -> None:
    op.drop_table("placed_calls")
