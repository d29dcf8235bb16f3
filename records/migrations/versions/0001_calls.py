"""Calls, their events, and the webhooks already seen."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("bot", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("record", sa.JSON),
    )
    op.create_index("calls_newest_first", "calls", ["started_at", "call_id"])
    op.create_index("calls_outcome", "calls", ["outcome"])
    op.create_table(
        "events",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_table(
        "webhook_ids",
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("claimed_at", MOMENT, nullable=False),
    )
    op.create_index("webhook_ids_claimed_at", "webhook_ids", ["claimed_at"])


def downgrade() -> None:
    op.drop_table("webhook_ids")
    op.drop_table("events")
    op.drop_table("calls")
