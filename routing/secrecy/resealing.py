"""After a change of keys: every text that is not sealed with the current key is sealed anew, in batches.

What was done stays done: a run that is broken off is simply started again and goes on where texts are left. The same
run seals what was written before there were keys. A ticket's version stays as it is, for nothing in it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, cast, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import JSON, Text

import routing.dispatching.tables  # the tables of all that is sealed
import routing.life.tables
import routing.linkage.tables  # noqa: F401
from ivr.events import now
from routing.secrecy.keys import SEALED, Keys, parse_time
from routing.secrecy.sealing import (
    SEALED_COLUMNS,
    STATE,
    TASK_STATE,
    open_value,
    place_of,
    seal_value,
    tells_states,
)
from routing.secrecy.tables import Resealing, SealKey
from routing.storage import Base, Database
from settings import ConfigurationError

BATCH = 500
"""Rows per transaction: short enough that nobody who writes waits noticeably."""

_DROP_AFTER = timedelta(minutes=1)
"""How long after it was superseded a key may at the earliest be dropped; by then every server has noticed."""

_STATES = ("before", "after")


@dataclass(frozen=True)
class Resealed:
    """What a run did: rows that were written anew, by table."""

    rows: dict[str, int]


async def reseal(
    database: Database, *, batch: int = BATCH, told: Callable[[str, int], None] = lambda table, rows: None
) -> Resealed:
    """Seal everything with the current key that is not; `told` hears of every batch. Safe beside running servers.

    Raises SealError for a text that cannot be opened; what was sealed anew by then stays.
    """
    keys = _keys(database)
    rows: dict[str, int] = {}
    for name in SEALED_COLUMNS:
        table = Base.metadata.tables[name]
        last: Any = None
        while True:
            async with database.begin() as session:
                done, last = await _batch(session, table, keys, last, batch)
            rows[name] = rows.get(name, 0) + done
            if done:
                told(name, done)
            if last is None:
                break
    return Resealed(rows)


async def sealed_with(database: Database) -> dict[str, int]:
    """Sealed texts by the id of their key; under the empty id, texts that are not sealed at all."""
    keys = _keys(database)
    counts: dict[str, int] = {}
    async with database.session() as session:
        for name, sealed in SEALED_COLUMNS.items():
            table = Base.metadata.tables[name]
            for column in sealed.columns:
                shown = _shown(table, column)
                for key in keys.ids:
                    found = await _count(session, table, shown.startswith(_prefix(table, column, key), autoescape=True))
                    counts[key] = counts.get(key, 0) + found
                open_too = and_(*_meant(table, column), shown.not_like(f"{_prefix(table, column, '')[:-1]}%"))
                counts[""] = counts.get("", 0) + await _count(session, table, open_too)
    return counts


async def drop_key(database: Database, key: str) -> None:
    """Take a key that nothing is sealed with any more out of the file. Raises ConfigurationError otherwise."""
    keys = _keys(database)
    if left := (await sealed_with(database)).get(key, 0):
        raise ConfigurationError(f"{left} texts are still sealed with '{key}'; run `server.py keys reseal` first")
    since = keys.superseded(key)
    if since and now() - parse_time(since) < _DROP_AFTER:
        raise ConfigurationError(
            f"'{key}' was in use until {since}; wait until every server has noticed ({_DROP_AFTER.seconds} s)"
        )
    keys.drop(key)
    async with database.begin() as session:
        await session.execute(delete(SealKey).where(SealKey.id == key))


async def _batch(session: AsyncSession, table: Table, keys: Keys, last: Any, batch: int) -> tuple[int, Any]:
    """Seal one batch after row `last`; how many rows, and the last of them (None: the table is done)."""
    sealed = SEALED_COLUMNS[table.name]
    (primary,) = table.primary_key.columns
    query = select(table).where(or_(*(_not_current(table, name, keys) for name in sealed.columns)))
    if last is not None:
        query = query.where(primary > last)
    rows = (await session.execute(query.order_by(primary).limit(batch).with_for_update())).mappings().all()
    if not rows:
        return 0, None
    if session.get_bind().dialect.name == "sqlite":
        # The old text is overwritten on the disk, not only forgotten.
        await session.execute(text("PRAGMA secure_delete = ON"))
    guarded = table.name == "ticket_changes"
    if guarded:
        await session.execute(insert(Resealing).values(id=1, at=now()))
    for row in rows:
        values = {name: _anew(keys, table, name, row) for name in _columns(table, row)}
        if "caller_key" in table.c and not row["caller_key"]:
            number = open_value(keys, row["caller_number"], _place(table, "caller_number", row), as_json=False)
            values["caller_key"] = keys.caller_key(number)
        await session.execute(update(table).where(primary == row[primary.name]).values(values))
    if guarded:
        await session.execute(delete(Resealing))
    return len(rows), rows[-1][primary.name] if len(rows) == batch else None


def _anew(keys: Keys, table: Table, name: str, row: Any) -> Any:
    if row[name] is None or row[name] == "":
        return row[name]
    as_json = isinstance(table.c[name].type, JSON)
    place = _place(table, name, row)
    return seal_value(keys, open_value(keys, row[name], place, as_json=as_json), place, as_json=as_json)


def _place(table: Table, name: str, row: Any) -> str:
    return place_of(table.name, name, (row[part] for part in SEALED_COLUMNS[table.name].row))


def _columns(table: Table, row: Any) -> Iterable[str]:
    if table.name == "ticket_changes" and tells_states(row["field"]):
        return ("why",)
    return SEALED_COLUMNS[table.name].columns


def _not_current(table: Table, name: str, keys: Keys) -> ColumnElement[bool]:
    shown = _shown(table, name)
    return and_(*_meant(table, name), shown.not_like(f"{_prefix(table, name, keys.current)}%"))


def _meant(table: Table, name: str) -> list[ColumnElement[bool]]:
    """The rows in which this column is to be sealed."""
    meant: list[ColumnElement[bool]] = [table.c[name].is_not(None), _shown(table, name) != ""]
    if table.name == "ticket_changes" and name in _STATES:
        meant.append(table.c["field"] != STATE)
        meant.append(~table.c["field"].startswith(TASK_STATE))
    return meant


def _shown(table: Table, name: str) -> ColumnElement[str]:
    return cast(table.c[name], Text)


def _prefix(table: Table, name: str, key: str) -> str:
    # A sealed text in a JSON column is a JSON string, which begins with its quotation mark.
    return ('"' if isinstance(table.c[name].type, JSON) else "") + f"{SEALED}{key}:"


async def _count(session: AsyncSession, table: Table, condition: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _keys(database: Database) -> Keys:
    if database.keys is None:
        raise ConfigurationError("this database was opened without keys")
    return database.keys
