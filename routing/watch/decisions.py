"""What people decide about proposals: 督办 and 呈批 are confirmed or dismissed, violations too, and criticised.

The software only proposes (YZ-22, YZ-37); every decision has a name under it, and a reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import select

from routing.centre import Centre
from routing.history import MACHINE
from routing.life import given, supervising
from routing.life.changing import Change, changing, check_actor
from routing.life.errors import LawError, NotAllowed
from routing.life.states import DECIDES, ROLE_NAMES, role_of
from routing.life.tables import EscalationRecord, ViolationRecord
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket
from routing.watch.notices import Said, say

_STATES = {"proposed": "待确认", "confirmed": "已确认", "dismissed": "已否定", "done": "已办结"}


class NoSuchProposal(LawError):
    """There is no proposal with this number."""

    code = "no_such_proposal"


class AlreadyDecided(LawError):
    """Somebody has decided it already, or nobody has confirmed it yet."""

    code = "already_decided"


async def proposals(centre: Centre, *, limit: int = 100) -> list[EscalationRecord]:
    """Proposals to supervise or to submit to the leadership that nobody has decided, the oldest first."""
    query = (
        select(EscalationRecord)
        .join(Ticket, Ticket.id == EscalationRecord.ticket_id)
        .where(EscalationRecord.state == "proposed", Ticket.jurisdiction == centre.jurisdiction.id)
        .order_by(EscalationRecord.at, EscalationRecord.id)
        .limit(limit)
    )
    async with centre.db.session() as session:
        return list(await session.scalars(query))


async def violations(
    centre: Centre, *, unit: str | None = None, state: str | None = "proposed", limit: int = 100
) -> list[ViolationRecord]:
    """Violations of a unit (default: of all), the newest first. `state` None: whatever was decided."""
    query = select(ViolationRecord).order_by(ViolationRecord.at.desc(), ViolationRecord.id.desc()).limit(limit)
    if unit is not None:
        query = query.where(ViolationRecord.unit == unit)
    if state is not None:
        query = query.where(ViolationRecord.state == state)
    async with centre.db.session() as session:
        return list(await session.scalars(query))


async def confirm_escalation(
    centre: Centre, number: int, version: int | None, actor: Actor, *, why: str = ""
) -> Ticket:
    """Supervise the ticket, submit it to the leadership, or both, as the proposal says; its units are told.

    `version`: of the ticket that the person has seen. Raises NotAllowed, NoSuchProposal, AlreadyDecided, TicketChanged,
    IllegalTransition (an archived ticket is not supervised any more: dismiss the proposal).
    """
    async with _deciding(centre, number, version, actor) as (change, record):
        kept = given.text("why", why, rule=record.rule, what="说明", required=False)
        if record.supervise and not change.ticket.supervised:
            change.transition("supervise", rule=record.rule, after=record.trigger, why=kept)
            supervising.begin(change)
        if record.leadership:
            change.transition("submit_to_leadership", rule=record.rule, after=record.trigger, why=kept)
        _decided(record, "confirmed", change, kept)
        if record.supervise:
            await say(change.session, _told_units(change, record), change.at)
        return change.ticket


async def dismiss_escalation(centre: Centre, number: int, version: int | None, actor: Actor, *, why: str) -> Ticket:
    """Decide against a proposal; the reason is kept. Raises as `confirm_escalation`, and Missing without a reason."""
    async with _deciding(centre, number, version, actor) as (change, record):
        kept = given.text("why", why, rule=record.rule, what="不采纳的理由")
        change.record("dismiss_escalation", after=record.trigger, why=kept, rule=record.rule)
        _decided(record, "dismissed", change, kept)
        return change.ticket


async def record_violation(
    centre: Centre, unit: str, violation: str, facts: str, actor: Actor, *, ticket_id: str | None = None
) -> ViolationRecord:
    """Write down a violation that only people can see (V3 to V6), confirmed by the one who writes.

    Raises NotAllowed, BadValue, Missing, NoSuchTicket.
    """
    _must_decide(centre, actor)
    known = {one.id: one for one in centre.jurisdiction.law_at(centre.now()).violations}
    rule = next(iter(known.values())).rule if known else ""
    given.unit("unit", unit, centre.jurisdiction, rule=rule)
    given.one_of("violation", violation, known, rule=rule, what="违规情形")
    kept = given.text("facts", facts, rule=rule, what="事实")
    async with centre.db.begin() as session:
        if ticket_id is not None and await session.get(Ticket, ticket_id) is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单", field="ticket_id")
        at = centre.now()
        record = ViolationRecord(
            unit=unit,
            violation=violation,
            occasion=f"by:{actor.name}:{at.isoformat()}",
            ticket_id=ticket_id,
            rule=known[violation].rule,
            facts=kept,
            state="confirmed",
            at=at,
            by=actor.name,
            decided_at=at,
            decided_by=actor.name,
        )
        session.add(record)
        await session.flush()
        await say(session, [_told_unit(record)], at)
        return record


async def decide_violation(
    centre: Centre, number: int, actor: Actor, *, confirmed: bool, why: str = ""
) -> ViolationRecord:
    """Confirm a proposed violation, or dismiss it (then a reason is required); the unit is told of a confirmed one.

    Raises NotAllowed, NoSuchProposal, AlreadyDecided, Missing.
    """
    _must_decide(centre, actor)
    async with centre.db.begin() as session:
        record = await session.get(ViolationRecord, number, with_for_update=True)
        if record is None:
            raise NoSuchProposal(f"没有第 {number} 号违规记录", field="number")
        if record.state != "proposed":
            raise AlreadyDecided(
                f"第 {number} 号违规记录{_STATES[record.state]}（{record.decided_by}），不能再决定", rule=record.rule
            )
        kept = given.text("why", why, rule=record.rule, what="不认定的理由", required=not confirmed)
        record.state = "confirmed" if confirmed else "dismissed"
        record.decided_at, record.decided_by, record.why = centre.now(), actor.name, kept
        if confirmed:
            await say(session, [_told_unit(record)], record.decided_at)
        return record


async def criticise(centre: Centre, number: int, actor: Actor) -> ViolationRecord:
    """Note that a unit was criticised for a confirmed violation (通报批评); the year's criticisms are counted.

    Raises NotAllowed, NoSuchProposal, AlreadyDecided.
    """
    _must_decide(centre, actor)
    async with centre.db.begin() as session:
        record = await session.get(ViolationRecord, number, with_for_update=True)
        if record is None:
            raise NoSuchProposal(f"没有第 {number} 号违规记录", field="number")
        if record.state != "confirmed" or record.criticised_at is not None:
            what = "已经通报批评过" if record.criticised_at else f"{_STATES[record.state]}，认定以后才能通报批评"
            raise AlreadyDecided(f"第 {number} 号违规记录{what}", rule=record.rule)
        record.criticised_at = centre.now()
        return record


@contextlib.asynccontextmanager
async def _deciding(
    centre: Centre, number: int, version: int | None, actor: Actor
) -> AsyncIterator[tuple[Change, EscalationRecord]]:
    _must_decide(centre, actor)
    async with centre.db.session() as session:
        seen = await session.get(EscalationRecord, number)
    if seen is None:
        raise NoSuchProposal(f"没有第 {number} 号督办、呈批建议", field="number")
    async with changing(centre, seen.ticket_id, version, actor) as change:
        # Read again with the ticket in hand: whoever decides about it has to hold the ticket.
        record = await change.session.get_one(EscalationRecord, number, populate_existing=True)
        if record.state != "proposed":
            raise AlreadyDecided(
                f"第 {number} 号建议{_STATES[record.state]}（{record.decided_by}），不能再决定", rule=record.rule
            )
        yield change, record


def _must_decide(centre: Centre, actor: Actor) -> None:
    check_actor(actor, centre.jurisdiction)
    if role_of(actor.role) not in DECIDES:
        right = "、".join(ROLE_NAMES[role] for role in DECIDES)
        raise NotAllowed(f"由{right}决定，{ROLE_NAMES[role_of(actor.role)]}不能决定", rule="YZ-22", field="role")


def _decided(record: EscalationRecord, state: str, change: Change, why: str) -> None:
    record.state, record.why = state, why
    record.decided_at, record.decided_by = change.at, change.actor.name


def _told_units(change: Change, record: EscalationRecord) -> list[Said]:
    return [
        Said(
            subject=f"supervised:{record.id}",
            unit=task.unit,
            kind="proposal",
            text=f"工单 {change.ticket.serial} 已列入督办，请第一时间联系诉求人核实并处理，同时反馈中心",
            rule=record.rule,
            ticket_id=change.ticket.id,
        )
        for task in change.round_tasks
    ]


def _told_unit(record: ViolationRecord) -> Said:
    # What a person wrote down may name people; it stays in the record, which is sealed.
    what = record.facts if record.by == MACHINE else f"违规记录第 {record.id} 号"
    return Said(
        subject=f"violation:{record.id}",
        unit=record.unit,
        kind="violation",
        text=f"{what}，认定为八条规定的 {record.violation}",
        rule=record.rule,
        ticket_id=record.ticket_id,
    )
