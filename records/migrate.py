"""Brings a database to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from records.database import StoreError

_LOCK = 0x53574942  # any number that is always the same: "SWIB"


def alembic_config() -> Config:
    """Alembic's configuration, by the migrations in this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, in the connection's transaction.

    Servers that start together wait for one another: on SQLite by the write lock the transaction
    holds, on Postgres by an advisory lock.

    Raises:
        StoreError: If the database was made by a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = alembic_config()
    head = ScriptDirectory.from_config(config).get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as e:
        raise StoreError(
            "newer_schema",
            f"the database has schema {current}, this version knows up to {head}",
            "update switchboard or use another database",
        ) from e
