"""Run by Alembic: by the store with its own connection, by the command with a URL."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from records.database import create_engine, database_url
from records.tables import metadata


def url() -> str:
    given = context.get_x_argument(as_dictionary=True).get("url")
    given = given or context.config.get_main_option("sqlalchemy.url")
    if not given:
        raise SystemExit("no database: give -x url=sqlite:///PATH, or sqlalchemy.url in the .ini")
    return given


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def print_sql() -> None:
    dialect = database_url(url()).get_backend_name()
    context.configure(dialect_name=dialect, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    engine = create_engine(database_url(url()))
    try:
        async with engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    print_sql()
elif (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    asyncio.run(connect_and_migrate())
