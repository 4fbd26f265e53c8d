"""Rows of a hotline that has run for two years, written past the services: with COPY, or SQLite's executemany.

A fifth of the tickets is open. Of an open one, completion is due within the next ten days; of the closed ones, two in
a hundred were late. Fields hold as many bytes as a sealed ticket's do.
"""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from routing.jurisdiction import Jurisdiction
from routing.life.tables import Callback, Clock, Rating, Task
from routing.storage import Base, Call, Ticket, TicketChange

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
"""A Friday afternoon: the moment at which the benchmark looks."""

_PAST = timedelta(days=730)
_OPEN_SINCE = timedelta(days=45)
_LIMIT = timedelta(days=7)
_TABLES: tuple[type[Base], ...] = (Call, Ticket, Task, Clock, TicketChange, Callback, Rating)
_CHUNK = 5_000

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class _Columns:
    """The columns of a table, with the value that a row has where it says nothing."""

    names: tuple[str, ...]
    defaults: dict[str, Any]

    def row(self, **values: Any) -> tuple[Any, ...]:
        given = self.defaults | values
        return tuple(given[name] for name in self.names)


def _columns(model: type[Base]) -> _Columns:
    columns = list(model.__table__.columns)
    plain = {c.name: c.default.arg for c in columns if c.default is not None and not callable(c.default.arg)}
    return _Columns(tuple(c.name for c in columns), dict.fromkeys([c.name for c in columns]) | plain)


def rows(jurisdiction: Jurisdiction, tickets: int) -> Iterator[Rows]:
    """All rows of `tickets` tickets, in chunks, in the order of their times; the same ones every time."""
    dice = random.Random(12345)
    of = {model.__tablename__: _columns(model) for model in _TABLES}
    units = [unit.id for group in jurisdiction.unit_groups if group.id == "government" for unit in group.units]
    towns = sorted({place.unit for place in jurisdiction.places if place.unit})
    places = [place.name for place in jurisdiction.places if place.kind in ("village", "community", "facility")]
    matters = [matter for matter in jurisdiction.matters if matter.units]
    begins = _begins(dice, tickets)
    noise = base64.b64encode(dice.randbytes(60_000)).decode()
    chunk: Rows = {name: [] for name in of}
    for number, (begin, is_open) in enumerate(begins, start=1):
        matter = dice.choice(matters)
        unit = matter.units[0] if dice.random() < 0.8 else dice.choice(units)
        _one(
            chunk,
            of,
            dice,
            number=number,
            begin=begin,
            is_open=is_open,
            unit=unit,
            matter=matter.id,
            intent=matter.intents[0],
            handling_class=matter.handling_class,
            town=dice.choice(towns),
            place=dice.choice(places),
            sealed=noise[(at := dice.randrange(50_000)) : at + 1_200],
        )
        if number % _CHUNK == 0:
            yield chunk
            chunk = {name: [] for name in of}
    yield chunk


def _begins(dice: random.Random, tickets: int) -> list[tuple[datetime, bool]]:
    still_open = tickets // 5
    closed = [NOW - timedelta(days=10) - _PAST * dice.random() for _ in range(tickets - still_open)]
    return sorted(
        [(at, False) for at in closed] + [(NOW - _OPEN_SINCE * dice.random(), True) for _ in range(still_open)]
    )


def _one(
    chunk: Rows,
    of: dict[str, _Columns],
    dice: random.Random,
    *,
    number: int,
    begin: datetime,
    is_open: bool,
    unit: str,
    matter: str,
    intent: str,
    handling_class: str,
    town: str,
    place: str,
    sealed: str,
) -> None:
    ticket_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    call_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    due = NOW + timedelta(days=10) * dice.random() if is_open else begin + _LIMIT
    late = not is_open and dice.random() < 0.02
    done = None if is_open else begin + _LIMIT * (dice.uniform(1, 1.5) if late else dice.uniform(0.1, 1))
    at_once = not is_open and intent == "consult" and dice.random() < 0.8
    minutes = timedelta(minutes=1)
    chunk["calls"].append(
        of["calls"].row(
            call_id=call_id,
            state="ended",
            arrived_at=begin,
            ended_at=begin + 4 * minutes,
            listening="{}",
            caller_number=sealed[:80],
        )
    )
    chunk["tickets"].append(
        of["tickets"].row(
            id=ticket_id,
            serial=f"YZ{begin:%Y%m%d}{number:08}",
            call_id=call_id,
            jurisdiction="yazhou",
            state="in_hand" if is_open else "answered" if at_once else "archived",
            version=4 if is_open else 9,
            created_at=begin,
            updated_at=done or begin,
            fields=json.dumps(sealed),
            proposals=json.dumps(sealed[:800]),
            intent=intent,
            urgency="normal",
            handling_class=handling_class,
            matter=matter,
            scope="YZ-11-3",
            functional_unit=unit,
            territorial_unit=town,
            lead_unit="" if at_once else unit,
            place=place,
            caller_key=sealed[:32],
            rounds=0 if at_once else 1,
            extensions=int(dice.random() < 0.05),
            direct=dice.random() < 0.03,
            accepted_at=begin + 4 * minutes,
            accepted_by="坐席一",
            dispatched_at=None if at_once else begin + 6 * minutes,
            due_at=None if at_once else due,
            completed_at=begin + 4 * minutes if at_once else done,
            late=None if is_open or at_once else late,
        )
    )
    for line in range(2 if at_once else 3):
        chunk["ticket_changes"].append(
            of["ticket_changes"].row(
                id=number * 3 - 2 + line,
                ticket_id=ticket_id,
                version=line + 1,
                at=begin + line * minutes,
                actor="坐席一",
                action=("opened", "accept", "dispatch")[line],
                field="state",
                before="draft",
                after="accepted",
                why="",
                rule="YZ-11",
            )
        )
    if at_once:
        return
    chunk["tasks"].append(
        of["tasks"].row(
            id=number,
            ticket_id=ticket_id,
            unit=unit,
            role="lead",
            state="accepted" if is_open else "completed",
            dispatched_at=begin + 6 * minutes,
            dispatched_by="坐席一",
            received_by="采编员",
            contacted_at=begin + 20 * minutes,
            accepted_at=begin + 60 * minutes,
            completed_at=done,
            due_at=due,
        )
    )
    _clocks(chunk, of["clocks"], dice, number, ticket_id, unit, begin + 6 * minutes, due, done, late=late)
    if done is not None and dice.random() < 0.6:
        chunk["callbacks"].append(
            of["callbacks"].row(
                id=number,
                ticket_id=ticket_id,
                number=1,
                at=done + timedelta(days=1),
                by="坐席二",
                outcome="reached",
                solved="solved" if dice.random() < 0.9 else "unsolved",
                note="",
            )
        )
        chunk["ratings"].append(
            of["ratings"].row(
                id=number,
                ticket_id=ticket_id,
                round=1,
                object="result",
                level=dice.choice(("非常满意", "满意", "满意", "基本满意", "不满意")),
                at=done + timedelta(days=1),
                by="坐席二",
            )
        )


def _clocks(
    chunk: Rows,
    columns: _Columns,
    dice: random.Random,
    number: int,
    ticket_id: str,
    unit: str,
    start: datetime,
    due: datetime,
    done: datetime | None,
    *,
    late: bool,
) -> None:
    hours = timedelta(hours=1)
    signed = dice.random() < 0.9
    ends: dict[str, tuple[datetime, datetime | None]] = {
        "contact": (start + hours / 2, start + hours / 4),
        "accept": (max(start, NOW) + 24 * hours * dice.random(), None)
        if done is None and not signed
        else (start + 24 * hours, start + hours),
        "complete": (due, done),
        "citizen": (due, done),
    }
    for place, (kind, (limit, end)) in enumerate(ends.items()):
        warned = 0.5 if dice.random() < 0.5 else 0.8
        look = min(limit, NOW + (limit - NOW) * dice.random()) if end is None else None
        missed = late and kind in ("complete", "citizen")
        chunk["clocks"].append(
            columns.row(
                id=number * 4 - 3 + place,
                ticket_id=ticket_id,
                task_id=None if kind == "citizen" else number,
                unit="" if kind == "citizen" else unit,
                kind=kind,
                state="running" if end is None else "missed" if missed else "met",
                started_at=start,
                due_at=limit,
                ended_at=end,
                amount=24,
                amount_unit="hour",
                steps="[]",
                rule="YZ-18",
                article="第十八条",
                calendar_version="bench",
                warned=1.0 if missed else warned if end is None else 0.0,
                next_look_at=look,
            )
        )


async def load_postgresql(dsn: str, chunks: Iterable[Rows]) -> None:
    """COPY all of it into a migrated, empty database; indexes are taken away before and made again after."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn, command_timeout=3600)
    try:
        for kind in ("jsonb", "json"):
            await connection.set_type_codec(
                kind,
                schema="pg_catalog",
                format="binary",
                encoder=(lambda text: b"\x01" + text.encode()) if kind == "jsonb" else str.encode,
                decoder=bytes,
            )
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix_%'"
        )
        for index in indexes:
            await connection.execute(f'DROP INDEX "{index["indexname"]}"')
        for chunk in chunks:
            for model in _TABLES:
                name = model.__tablename__
                await connection.copy_records_to_table(
                    name, records=chunk[name], columns=[column.name for column in model.__table__.columns]
                )
        for index in indexes:
            await connection.execute(index["indexdef"])
        for model in _TABLES:
            name = model.__tablename__
            if "id" in model.__table__.columns and name != "tickets":
                await connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
                )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def load_sqlite(file: Path, chunks: Iterable[Rows]) -> None:
    """Write all of it into a migrated, empty database."""
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        for chunk in chunks:
            for model in _TABLES:
                columns = [column.name for column in model.__table__.columns]
                marks = ",".join("?" * len(columns))
                connection.executemany(
                    f"INSERT INTO {model.__tablename__} ({','.join(columns)}) VALUES ({marks})",
                    [tuple(map(_as_sqlite, row)) for row in chunk[model.__tablename__]],
                )
            connection.commit()
        connection.execute("ANALYZE")
        connection.commit()
    finally:
        connection.close()


def _as_sqlite(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
