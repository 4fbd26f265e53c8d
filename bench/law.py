"""The law at work on many tickets: the watch, dispatch proposals, a unit's work list, a month's statistics.

Measured on PostgreSQL with 10 000, 100 000 and 1 000 000 tickets, a fifth of them open, and on SQLite up to 100 000,
so that the growth shows. The rows are written past the services; what is measured is the services' own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Engine, event

from bench.law_rows import NOW, load_postgresql, load_sqlite, rows
from routing.centre import Centre
from routing.dispatching.owners import Facts, owners_of
from routing.jurisdiction import Jurisdiction, load
from routing.law.calendar import calendar_of
from routing.statistics.figures import figures
from routing.statistics.periods import parsed
from routing.storage import Database, migrate
from routing.watch.findings import look_at_events
from routing.watch.inbox import inbox
from routing.watch.rounds import look_at_clocks
from routing.watch.work import unit_work
from settings import ROOT
from tests.services import PostgresServer

SIZES = {"PostgreSQL": (10_000, 100_000, 1_000_000), "SQLite": (10_000, 100_000)}

_TIMES = 5
_INDEX = re.compile(r"(?:using|Index Scan on|INDEX) (ix_\w+|pk_\w+|uq_\w+|sqlite_autoindex_\w+)")
_WHOLE = re.compile(r"(?:Seq Scan on|SCAN) (\w+)")


@dataclass
class Outcome:
    """What was measured on one database. Times in seconds, the median of several."""

    database: str
    tickets: int
    loading: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    indexes: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


class _Moment:
    """What time it is in the benchmark."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


async def main(folder: Path, *, largest: int = 1_000_000) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md."""
    jurisdiction = load(ROOT / "config" / "jurisdictions" / "yazhou.yaml")
    outcomes = []
    for kind, sizes in SIZES.items():
        for tickets in sizes:
            if tickets <= largest:
                outcomes.append(await _measured(folder, kind, tickets, jurisdiction))
    return _tables(outcomes, _proposals_per_second(jurisdiction))


async def _measured(folder: Path, kind: str, tickets: int, jurisdiction: Jurisdiction) -> Outcome:
    outcome = Outcome(kind, tickets)
    place = folder / f"{kind}-{tickets}".lower()
    async with _loaded(place, outcome, jurisdiction) as url:
        moment = _Moment()
        centre = Centre(Database(url), jurisdiction, calendar_of(ROOT / "config" / "calendars", jurisdiction), moment)
        try:
            await _measure(centre, moment, outcome)
        finally:
            await centre.db.close()
    return outcome


@contextlib.asynccontextmanager
async def _loaded(place: Path, outcome: Outcome, jurisdiction: Jurisdiction) -> AsyncIterator[str]:
    began = time.perf_counter()
    if outcome.database == "SQLite":
        place.mkdir()
        url = f"sqlite+aiosqlite:///{place / 'hotline.db'}"
        await migrate(url)
        await asyncio.to_thread(load_sqlite, place / "hotline.db", rows(jurisdiction, outcome.tickets))
        outcome.loading = time.perf_counter() - began
        yield url
        return
    place.parent.chmod(0o711)  # the user postgres goes through it
    server = PostgresServer(place)
    server.create()
    with (place / "data" / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 512MB\nmax_wal_size = 8GB\nmaintenance_work_mem = 512MB\n")
    server.start()
    try:
        await migrate(server.url())
        await load_postgresql(server.dsn, rows(jurisdiction, outcome.tickets))
        connection = await asyncpg.connect(server.dsn)
        for statement in ("ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on", "CHECKPOINT"):
            await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        outcome.loading = time.perf_counter() - began
        yield server.url()
    finally:
        server.close()


async def _measure(centre: Centre, moment: _Moment, outcome: Outcome) -> None:
    await look_at_events(centre)  # the first one, of a new hotline, reads all that there is
    october, november = parsed("2026-10"), parsed("2026-11")
    unit = "yz.zhujian"

    async def a_round() -> None:
        moment.at += timedelta(seconds=15)
        seen = await look_at_clocks(centre)
        await look_at_events(centre)
        looked.append(seen.looked)

    looked: list[int] = []
    await _timed(centre, outcome, "round", a_round)
    outcome.notes["round"] = f"{statistics.mean(looked):.1f} clocks due in each"
    await _timed(centre, outcome, "work list", lambda: unit_work(centre, unit))
    waiting = len(await unit_work(centre, unit, limit=outcome.tickets))
    outcome.notes["work list"] = f"the first 100 of {waiting}"
    await _timed(centre, outcome, "month", lambda: figures(centre, october))
    await _timed(centre, outcome, "month per unit", lambda: figures(centre, october, by="unit"))
    await _timed(centre, outcome, "present month", lambda: figures(centre, november))
    whole = (await figures(centre, november))[""]
    outcome.notes["present month"] = f"{whole.accepted} tickets accepted in it"
    whole = (await figures(centre, october))[""]
    outcome.notes["month"] = f"{whole.accepted} tickets accepted in it"
    moment.at += timedelta(hours=24)
    began = time.perf_counter()
    seen = await look_at_clocks(centre)
    outcome.seconds["a day of standstill"] = time.perf_counter() - began
    outcome.notes["a day of standstill"] = f"{seen.looked} clocks caught up with"
    await _timed(centre, outcome, "inbox after it", lambda: inbox(centre))


async def _timed(centre: Centre, outcome: Outcome, name: str, work: Callable[[], Awaitable[Any]]) -> None:
    with _statements() as seen:
        await work()
    outcome.indexes[name] = await _indexes(centre.db, seen)
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    outcome.seconds[name] = statistics.median(took)


@contextlib.contextmanager
def _statements() -> Iterator[list[tuple[str, Any]]]:
    """The queries that are sent meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith("SELECT") and not many:
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def _indexes(database: Database, seen: list[tuple[str, Any]]) -> list[str]:
    """The indexes by which these queries are answered, as EXPLAIN has them, and the tables that are read as a whole."""
    explain = "EXPLAIN " if database.url.startswith("postgresql") else "EXPLAIN QUERY PLAN "
    found: dict[str, None] = {}
    async with database.session() as session:
        connection = await session.connection()
        for statement, parameters in seen:
            lines = [str(tuple(row)) for row in await connection.exec_driver_sql(explain + statement, parameters)]
            for line in lines:
                if index := _INDEX.search(line):
                    found[index[1]] = None
                elif scan := _WHOLE.search(line):
                    found[f"all of {scan[1]}"] = None
    return list(found)


def _proposals_per_second(jurisdiction: Jurisdiction) -> str:
    """How many tickets a second get their units proposed, from matter and place."""
    places = [place.name for place in jurisdiction.places]
    facts = [
        Facts(
            matter=matter.id,
            place=places[number % len(places)],
            intent=matter.intents[0],
            urgency="normal",
            handling_class=matter.handling_class,
        )
        for number, matter in enumerate(jurisdiction.matters * 20)
    ]
    began = time.perf_counter()
    led = sum(owners_of(jurisdiction, fact, NOW.date()).lead is not None for fact in facts)
    took = time.perf_counter() - began
    return f"{len(facts) / took:,.0f} a second on one core ({led} of {len(facts)} with a lead unit)"


def _tables(outcomes: list[Outcome], proposals: str) -> str:
    names = list(outcomes[0].seconds)
    lines = [
        f"| database | tickets | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
        *(
            f"| {one.database} | {one.tickets:,} | {' | '.join(_shown(one.seconds[name]) for name in names)} |"
            for one in outcomes
        ),
        "",
        f"Dispatch proposals: {proposals}.",
    ]
    for one in outcomes:
        lines += ["", f"{one.database}, {one.tickets:,} tickets (loaded in {one.loading:.0f} s):", ""]
        lines += [f"- {name}: {note}" for name, note in one.notes.items()]
        lines += [f"- {name} read by {', '.join(indexes)}" for name, indexes in one.indexes.items()]
    return "\n".join(lines)


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
