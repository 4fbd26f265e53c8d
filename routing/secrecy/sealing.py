"""Which texts are sealed in the database, and how: on the way in and out, so that no service has to think of it.

Everything that a citizen said, or that lets one be found, is sealed from the first second, flagged or not: a flag
that is set later would come too late for the write-ahead log, the free pages and last night's backup. What the law
decides and counts by (matter, units, times, states, flags, the name of the village) stays readable for queries.

An object in memory always holds the plain value. SQLAlchemy hands rows to the functions here before they are written
and after they were read; statements that name columns (`select(TicketChange.after)`) see the sealed text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import DeclarativeBase, Mapper, QueryContext, Session, UOWTransaction, object_session
from sqlalchemy.orm.attributes import get_history, set_committed_value
from sqlalchemy.types import JSON

from routing.secrecy.keys import KeyMissing, Keys, is_sealed


@dataclass(frozen=True)
class Sealed:
    """The sealed columns of a table, and the columns that say which row it is (they never change)."""

    row: tuple[str, ...]
    columns: tuple[str, ...]


SEALED_COLUMNS = {
    "calls": Sealed(("call_id",), ("caller_number", "caller_name")),
    "utterances": Sealed(("call_id", "tap_id", "number"), ("text", "words")),
    "tickets": Sealed(("id",), ("caller_number", "fields", "proposals")),
    "ticket_changes": Sealed(("ticket_id", "version", "action", "field"), ("before", "after", "why")),
    "callbacks": Sealed(("ticket_id", "round", "number"), ("note",)),
    "returns": Sealed(("ticket_id", "task_id"), ("reason", "basis", "safety", "why")),
    "extensions": Sealed(("ticket_id", "number"), ("reason", "why")),
    "submissions": Sealed(("ticket_id", "task_id"), ("form", "why")),
    "ratings": Sealed(("ticket_id", "round", "object"), ("evidence",)),
    "escalations": Sealed(("ticket_id", "trigger"), ("why", "instruction")),
    "ticket_links": Sealed(("ticket_id", "to_ticket_id", "kind"), ("why",)),
    "final_opinions": Sealed(("ticket_id", "sha256"), ("text", "basis", "why")),
    "tasks": Sealed(("ticket_id", "unit"), ("reported",)),
    "clocks": Sealed(("ticket_id", "kind"), ("why",)),
    "violations": Sealed(("unit", "violation", "occasion"), ("facts", "why", "objection")),
    "secrecy_marks": Sealed(("ticket_id",), ("why",)),
    "appeals": Sealed(("subject", "unit", "occasion"), ("grounds", "why")),
    "nuisance_calls": Sealed(("call_id",), ("note",)),
    "linkages": Sealed(("call_id",), ("duty_note",)),
    "linkage_proposals": Sealed(("call_id",), ("words",)),
    "station_notices": Sealed(("id",), ("body",)),
}
"""Table name -> what of it is sealed. Empty texts stay empty."""

STATE, TASK_STATE = "state", "task "
"""Lines of history of the field `state`, or of a field that begins with `task `, hold states, not words."""


class _Closed(str):
    """A sealed text that stands in an object for the moment of writing; `plain` is what stood there."""

    plain: Any


def listen(base: type[DeclarativeBase]) -> None:
    """Seal and open the rows of all models of `base`."""
    for name, handler in (
        ("before_insert", _before_insert),
        ("before_update", _before_update),
        ("after_insert", _after_write),
        ("after_update", _after_write),
        ("load", _loaded),
        ("refresh", _refreshed),
        ("refresh_flush", _refreshed_in_flush),
    ):
        event.listen(base, name, handler, propagate=True)


def place_of(table: str, column: str, row: Iterable[object]) -> str:
    """What a sealed text is bound to."""
    return f"{table}.{column}|{'|'.join(str(part) for part in row)}"


def seal_value(keys: Keys, value: Any, place: str, *, as_json: bool) -> str:
    """The sealed form of a column's value."""
    return keys.seal(json.dumps(value, ensure_ascii=False) if as_json else value, place)


def open_value(keys: Keys | None, value: Any, place: str, *, as_json: bool) -> Any:
    """The plain value of a column; what was never sealed comes back as it is. Raises KeyMissing, SealBroken."""
    if not is_sealed(value):
        return value
    if keys is None:
        raise KeyMissing(f"{place} is sealed, and this database was opened without keys")
    opened = keys.open(value, place)
    return json.loads(opened) if as_json else opened


def columns_of(mapper: Mapper[Any], target: Any) -> tuple[str, ...]:
    """The columns of this row that are sealed."""
    table = str(mapper.local_table.name)  # type: ignore[attr-defined]
    sealed = SEALED_COLUMNS.get(table)
    if sealed is None:
        return ()
    if table == "ticket_changes" and tells_states(target.field or ""):
        return ("why",)
    return sealed.columns


def tells_states(field: str) -> bool:
    """Whether a line of history of this field tells states, whose names are open."""
    return field == STATE or field.startswith(TASK_STATE)


def _before_insert(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    keys = _keys_of(target)
    if keys is None:
        return
    table = mapper.local_table.name  # type: ignore[attr-defined]
    if table in SEALED_COLUMNS:
        _fill_defaults(mapper, target, (*SEALED_COLUMNS[table].row, *SEALED_COLUMNS[table].columns))
    _note_caller(target, keys)
    _close(mapper, target, keys, columns_of(mapper, target))


def _before_update(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    keys = _keys_of(target)
    if keys is None:
        return
    if hasattr(target, "caller_key") and get_history(target, "caller_number").has_changes():
        _note_caller(target, keys)
    changed = [name for name in columns_of(mapper, target) if get_history(target, name).has_changes()]
    _close(mapper, target, keys, changed)


def _close(mapper: Mapper[Any], target: Any, keys: Keys, columns: Iterable[str]) -> None:
    table = str(mapper.local_table.name)  # type: ignore[attr-defined]
    for name in columns:
        value = getattr(target, name)
        if isinstance(value, _Closed):
            # The writing before failed, and the same object is tried again.
            value = value.plain
        if value is None or value == "":
            continue
        place = place_of(table, name, (getattr(target, part) for part in SEALED_COLUMNS[table].row))
        closed = _Closed(seal_value(keys, value, place, as_json=_is_json(mapper, name)))
        closed.plain = value
        setattr(target, name, closed)


def _after_write(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    for name in columns_of(mapper, target):
        value = target.__dict__.get(name)
        if isinstance(value, _Closed):
            set_committed_value(target, name, value.plain)


def _loaded(target: Any, context: QueryContext) -> None:
    _open(target, context.session, None)


def _refreshed(target: Any, context: QueryContext, names: Iterable[str] | None) -> None:
    _open(target, context.session, names)


def _refreshed_in_flush(target: Any, flush: UOWTransaction, names: Iterable[str] | None) -> None:
    _open(target, flush.session, names)


def _open(target: Any, session: Session, names: Iterable[str] | None) -> None:
    mapper = target.__mapper__
    columns = columns_of(mapper, target)
    for name in columns:
        value = target.__dict__.get(name)
        if (names is not None and name not in names) or isinstance(value, _Closed) or not is_sealed(value):
            continue
        table = str(mapper.local_table.name)
        place = place_of(table, name, (target.__dict__[part] for part in SEALED_COLUMNS[table].row))
        opened = open_value(session.info.get("keys"), value, place, as_json=_is_json(mapper, name))
        set_committed_value(target, name, opened)


def _keys_of(target: Any) -> Keys | None:
    session = object_session(target)
    found: Keys | None = session.info.get("keys") if session is not None else None
    return found


def _note_caller(target: Any, keys: Keys) -> None:
    """The caller key goes with the number, whoever writes it."""
    number = getattr(target, "caller_number", None)
    if number and hasattr(target, "caller_key"):
        target.caller_key = keys.caller_key(number.plain if isinstance(number, _Closed) else number)


def _fill_defaults(mapper: Mapper[Any], target: Any, names: Iterable[str]) -> None:
    """Give the defaults now that SQLAlchemy would give later, past the sealing."""
    for name in names:
        default: Any = mapper.columns[name].default
        if getattr(target, name) is None and default is not None:
            setattr(target, name, default.arg(None) if default.is_callable else default.arg)


def _is_json(mapper: Mapper[Any], name: str) -> bool:
    return isinstance(mapper.columns[name].type, JSON)
