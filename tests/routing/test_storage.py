"""The schema: migrations make what the models say, on both databases, also when two processes start at once."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.exc import DBAPIError, StatementError

import routing
from routing.history import line
from routing.storage import (
    FIELDS,
    AppendOnly,
    Base,
    Call,
    Database,
    Ticket,
    TicketChange,
    ToldEvent,
    engine,
    migrate,
    migration_config,
)
from settings import ROOT
from tests.routing.conftest import Empty

NOW = datetime(2026, 11, 21, 6, 5, 7, 123456, tzinfo=UTC)


def _all_tables() -> None:
    """Import every module that adds tables to the schema."""
    importlib.import_module("desk.accounts")
    for module in pkgutil.walk_packages(routing.__path__, "routing."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


def _differences(connection: Connection) -> list[object]:
    # The full-text index of the knowledge base is of each database's own kind, and no model.
    opts = {"include_name": lambda name, kind, _: kind != "table" or not name.startswith("knowledge_search")}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), Base.metadata))


async def test_the_migrations_make_what_the_models_say(empty: Empty) -> None:
    _all_tables()
    await migrate(empty.url)
    made = engine(empty.url)
    async with made.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await made.dispose()


async def test_migrating_again_changes_nothing(empty: Empty) -> None:
    await migrate(empty.url)
    database = Database(empty.url)
    async with database.begin() as session:
        session.add(ToldEvent(event_id="kept", at=NOW))
    await migrate(empty.url)
    async with database.session() as session:
        assert await session.get(ToldEvent, "kept") is not None
    await database.close()


async def test_what_was_confirmed_before_is_accepted_now(empty: Empty) -> None:
    made = engine(empty.url)
    async with made.connect() as connection:
        await connection.run_sync(lambda sync: command.upgrade(migration_config(sync), "0002"))
    columns = "id, serial, jurisdiction, state, attention, version, created_at, updated_at, confirmed_at, confirmed_by"
    async with made.begin() as connection:
        for number, state in enumerate(("draft", "confirmed")):
            at = "NULL" if state == "draft" else "'2026-11-21 06:05:07+00:00'"
            await connection.execute(
                text(
                    f"INSERT INTO tickets ({columns}, caller_number, called_number, fields, proposals) VALUES "
                    f"('t{number}', 'YZ{number}', 'yazhou', '{state}', '', 3, '2026-11-21 06:05:07+00:00', "
                    f"'2026-11-21 06:05:07+00:00', {at}, '王坐席', '', '', '{{}}', '{{}}')"
                )
            )
    await made.dispose()
    await migrate(empty.url)
    database = Database(empty.url)
    async with database.session() as session:
        draft, accepted = [await session.get_one(Ticket, name) for name in ("t0", "t1")]
    await database.close()
    assert (draft.state, draft.accepted_at, draft.channel, draft.rounds) == ("draft", None, "电话", 0)
    assert (accepted.state, accepted.accepted_at, accepted.accepted_by) == (
        "accepted",
        datetime(2026, 11, 21, 6, 5, 7, tzinfo=UTC),
        "王坐席",
    )


async def test_two_processes_may_migrate_at_once(empty: Empty) -> None:
    script = f"import asyncio; from routing.storage import migrate; asyncio.run(migrate({empty.url!r}))"
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]
    results = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    made = engine(empty.url)
    async with made.connect() as connection:
        assert len((await connection.execute(text("SELECT * FROM alembic_version"))).all()) == 1
    await made.dispose()


async def _ticket(database: Database) -> str:
    async with database.begin() as session:
        session.add(Call(call_id="c1", arrived_at=NOW))
        await session.flush()
        ticket = Ticket(serial="YZ1", call_id="c1", jurisdiction="yazhou", created_at=NOW, updated_at=NOW)
        session.add(ticket)
        await session.flush()
        session.add(line(ticket, NOW, "machine", "opened"))
        return ticket.id


async def test_times_are_utc_whatever_zone_they_were_given_in(database: Database) -> None:
    ticket_id = await _ticket(database)
    async with database.begin() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        ticket.accepted_at = NOW.astimezone(timezone(timedelta(hours=8)))
        ticket.version += 1
    async with database.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        assert (ticket.accepted_at, ticket.created_at) == (NOW, NOW)
        assert ticket.created_at.utcoffset() == timedelta(0)


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="no timezone"):
        async with database.begin() as session:
            session.add(Call(call_id="c1", arrived_at=datetime(2026, 11, 21)))


async def test_a_new_ticket_has_all_fields_empty_and_is_readable_after_its_session(database: Database) -> None:
    await _ticket(database)
    async with database.session() as session:
        ticket = (await session.scalars(select(Ticket))).one()
    assert sorted(ticket.fields) == sorted(FIELDS)
    assert all(field["value"] == "" and field["source"] == "machine" for field in ticket.fields.values())


async def test_history_can_only_be_added_to(database: Database) -> None:
    ticket_id = await _ticket(database)
    with pytest.raises(AppendOnly):
        async with database.begin() as session:
            change = (await session.scalars(select(TicketChange))).one()
            change.actor = "somebody else"
    for statement in (update(TicketChange).values(actor="x"), delete(TicketChange)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.begin() as session:
                await session.execute(statement)
    async with database.session() as session:
        assert [one.actor for one in await session.scalars(select(TicketChange))] == ["machine"]
        assert (await session.scalars(select(TicketChange.ticket_id))).one() == ticket_id


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as session:
            session.add(Call(call_id="c1", arrived_at=NOW))
            await session.flush()
            _ = 1 / 0
    async with database.session() as session:
        assert await session.get(Call, "c1") is None


async def test_errors_of_the_database_do_not_quote_what_citizens_said(database: Database) -> None:
    for _ in range(2):
        try:
            async with database.begin() as session:
                session.add(Call(call_id="c1", caller_name="符某某的秘密", arrived_at=NOW))
        except DBAPIError as problem:
            assert "秘密" not in str(problem)
            return
    pytest.fail("the same call could be stored twice")
