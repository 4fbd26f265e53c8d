"""Raising notices and proposals. Doing it again changes nothing: each has a key that its own reason gives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from routing.history import MACHINE
from routing.law.provisions import Escalation
from routing.life.tables import EscalationRecord, ViolationRecord
from routing.secrecy.keys import Keys
from routing.secrecy.sealing import place_of, seal_value
from routing.storage import Base
from routing.watch.tables import Notice, WatchMark

CENTRE = ""
"""As a notice's unit: the centre itself."""


@dataclass(frozen=True)
class Said:
    """A notice: what about (`subject`, a key), to whom (`unit`), of which kind, and in which words."""

    subject: str
    unit: str
    kind: str
    text: str
    rule: str
    ticket_id: str | None = None
    clock_id: int | None = None


@dataclass(frozen=True)
class Concerned:
    """A ticket for which a trigger of the law has come about. `occasion` is the key of what happened to it."""

    ticket_id: str
    serial: str
    trigger: str
    occasion: str


@dataclass(frozen=True)
class Suspected:
    """A violation that a unit seems to have committed, and the facts that say so."""

    unit: str
    violation: str
    occasion: str
    facts: str
    rule: str
    ticket_id: str | None = None


async def say(session: AsyncSession, said: Iterable[Said], at: datetime, *, again: bool = True) -> int:
    """Raise notices; returns how many were written.

    `again`: where the reader has one of the same subject, it is replaced and unread again; otherwise the old one stays.
    """
    rows = [vars(one) | {"at": at, "acknowledged_at": None, "acknowledged_by": ""} for one in said]
    return len(await _write(session, Notice, ("subject", "unit"), rows, replace=again))


async def propose_escalations(
    session: AsyncSession, concerned: Iterable[Concerned], law: Iterable[Escalation], at: datetime
) -> int:
    """Propose what the law has for each trigger (督办, 呈批), and tell the centre; returns how many are new."""
    by_trigger: dict[str, Escalation] = {one.trigger: one for one in law}
    found = {(one.ticket_id, one.trigger, one.occasion): one for one in concerned if one.trigger in by_trigger}
    rows = [
        {
            "ticket_id": one.ticket_id,
            "trigger": one.trigger,
            "occasion": one.occasion,
            "supervise": by_trigger[one.trigger].supervise,
            "leadership": by_trigger[one.trigger].leadership,
            "rule": by_trigger[one.trigger].rule,
            "state": "proposed",
            "at": at,
            "decided_by": "",
            "why": "",
            "instruction": "",
        }
        for one in found.values()
    ]
    new = await _write(session, EscalationRecord, ("ticket_id", "trigger", "occasion"), rows)
    await say(session, [_escalation_notice(found[key], by_trigger[key[1]]) for key in new], at, again=False)
    return len(new)


async def propose_violations(session: AsyncSession, suspected: Iterable[Suspected], at: datetime) -> int:
    """Propose violations for a person to confirm, and tell the centre; returns how many are new.

    The unit is told when one is confirmed: until then nobody has decided anything about it.
    """
    found = {(one.unit, one.violation, one.occasion): one for one in suspected}
    rows = [
        vars(one) | {"state": "proposed", "at": at, "by": MACHINE, "decided_by": "", "why": "", "objection": ""}
        for one in found.values()
    ]
    keys: Keys | None = session.info.get("keys")
    for row in rows:
        if keys is None:
            break
        # Written as rows, past the sealing of objects.
        where = place_of("violations", "facts", (row["unit"], row["violation"], row["occasion"]))
        row["facts"] = seal_value(keys, row["facts"], where, as_json=False)
    new = await _write(session, ViolationRecord, ("unit", "violation", "occasion"), rows)
    await say(
        session,
        [
            Said(
                subject=f"violation:{':'.join(key)}",
                unit=CENTRE,
                kind="violation",
                text=f"{found[key].facts}，可能属于八条规定的 {found[key].violation}，请核实",
                rule=found[key].rule,
                ticket_id=found[key].ticket_id,
            )
            for key in new
        ],
        at,
        again=False,
    )
    return len(new)


async def mark(session: AsyncSession, name: str, until: datetime) -> None:
    """Note up to when one kind of events has been looked through. Two processes may do so at once."""
    await _write(session, WatchMark, ("name",), [{"name": name, "until": until}], replace=True)


def _escalation_notice(one: Concerned, law: Escalation) -> Said:
    what = "、".join(name for name, wanted in (("督办", law.supervise), ("呈批", law.leadership)) if wanted)
    return Said(
        subject=f"escalation:{one.ticket_id}:{one.trigger}:{one.occasion}",
        unit=CENTRE,
        kind="proposal",
        text=f"工单 {one.serial}：{law.text}，建议{what}，请确认",
        rule=law.rule,
        ticket_id=one.ticket_id,
    )


async def _write(
    session: AsyncSession, table: type[Base], key: tuple[str, ...], rows: list[dict[str, Any]], *, replace: bool = False
) -> list[tuple[Any, ...]]:
    """Insert rows; one whose key is there already is left alone, or replaced. Returns the keys that were written."""
    if not rows:
        return []
    # In order: two processes that raise the same ones wait for each other, and never in a circle.
    rows.sort(key=lambda row: tuple(row[name] for name in key))
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    into: Any = table.__table__
    statement = postgresql.insert(into) if on_postgresql else sqlite.insert(into)
    if replace:
        news = {name: statement.excluded[name] for name in rows[0] if name not in key}
        await session.execute(statement.on_conflict_do_update(index_elements=key, set_=news), rows)
        return [tuple(row[name] for name in key) for row in rows]
    statement = statement.on_conflict_do_nothing(index_elements=key)
    done = await session.execute(statement.returning(*(into.c[name] for name in key)), rows)
    return [tuple(row) for row in done]
