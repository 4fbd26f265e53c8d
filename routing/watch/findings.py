"""What happened to tickets and units since the watch last looked, and what the law wants proposed for it.

Events are found by their own times, from a mark on; the mark moves on when a look has been committed. A look begins an
hour before the mark: whatever was committed later than its own time says is still found, and what is found again has
been proposed already, by the same key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Exists, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.dispatching.tables import LeaderCall
from routing.law.law import Law
from routing.law.provisions import Violation
from routing.life.tables import Callback, Clock, EscalationRecord, Rating, Task, ViolationRecord
from routing.statistics.periods import Period, containing
from routing.storage import Ticket
from routing.watch.notices import CENTRE, Concerned, Said, Suspected, mark, propose_escalations, propose_violations, say
from routing.watch.rounds import unit_name
from routing.watch.tables import LATE, WatchMark

REPORT = "report"
"""The intent 举报, which Yazhou dispatches and submits to the leadership as well (C5)."""

NOT_SOLVED = ("unsolved", "untreated")
"""What a citizen who is called back may say of a matter that is not done with."""

_MARK = "events"
_OVERLAP = timedelta(hours=1)

_LONGEST_REVIEW = timedelta(days=366)
"""How far back a limit may lie that is found late, or explained, only now."""


async def look_at_events(centre: Centre) -> int:
    """Propose what follows from all that happened since the last look; returns how many proposals are new.

    Raises what the database raises; then nothing is proposed and the next look begins at the same mark.
    """
    async with centre.db.begin() as session:
        now = centre.now()
        law = centre.jurisdiction.law_at(now)
        last = await session.get(WatchMark, _MARK)
        since = last.until - _OVERLAP if last else None
        new = await propose_escalations(session, await _concerned(session, centre, law, since), law.escalations, now)
        new += await _violations(session, centre, law, since or now, now)
        await _criticisms(session, centre, law, now)
        await mark(session, _MARK, max(last.until, now) if last else now)
    return new


async def _concerned(session: AsyncSession, centre: Centre, law: Law, since: datetime | None) -> list[Concerned]:
    triggers = {one.trigger for one in law.escalations}
    found: list[Concerned] = []
    if "report" in triggers:
        found += await _reports(session, centre, since)
    if "leader_call" in triggers:
        found += await _of_leaders_calls(session, centre, since)
    if "redo_unsolved" in triggers:
        found += await _unsolved_after_redo(session, centre, since)
    if "decided_unsolved" in triggers:
        found += await _unsolved_by_determined_units(session, centre, since)
    if "second_rating_bad" in triggers and law.satisfaction is not None:
        found += await _bad_second_ratings(session, centre, law.satisfaction.satisfied, since)
    return found


async def _reports(session: AsyncSession, centre: Centre, since: datetime | None) -> list[Concerned]:
    # At each dispatch by what the ticket is then: what came back as a complaint may go out as a report.
    sent = select(Task.ticket_id).where(Task.dispatched_at >= since) if since is not None else None
    query = select(Ticket.id, Ticket.serial).where(
        Ticket.intent == REPORT,
        Ticket.dispatched_at.is_not(None),
        Ticket.id.in_(sent) if sent is not None else true(),
        Ticket.jurisdiction == centre.jurisdiction.id,
        ~_proposed("report"),
    )
    return [Concerned(row.id, row.serial, "report", "dispatched") for row in await session.execute(query)]


async def _unsolved_after_redo(session: AsyncSession, centre: Centre, since: datetime | None) -> list[Concerned]:
    query = (
        select(Ticket.id, Ticket.serial, Callback.round)
        .join(Callback, Callback.ticket_id == Ticket.id)
        .where(Callback.solved.in_(NOT_SOLVED), Callback.round > 1, Ticket.jurisdiction == centre.jurisdiction.id)
    )
    if since is not None:
        query = query.where(Callback.at >= since)
    rows = await session.execute(query)
    return [Concerned(row.id, row.serial, "redo_unsolved", f"round:{row.round}") for row in rows]


async def _unsolved_by_determined_units(
    session: AsyncSession, centre: Centre, since: datetime | None
) -> list[Concerned]:
    """Unsolved, although a procedure had determined whose matter it is (TP-28)."""
    query = (
        select(Ticket.id, Ticket.serial, Callback.round)
        .join(Callback, Callback.ticket_id == Ticket.id)
        .where(Callback.solved.in_(NOT_SOLVED), Ticket.return_locked, Ticket.jurisdiction == centre.jurisdiction.id)
    )
    if since is not None:
        query = query.where(Callback.at >= since)
    rows = await session.execute(query)
    return [Concerned(row.id, row.serial, "decided_unsolved", f"round:{row.round}") for row in rows]


async def _of_leaders_calls(session: AsyncSession, centre: Centre, since: datetime | None) -> list[Concerned]:
    """What a leader who answered calls has given to a unit as its own matter (TP-28)."""
    query = (
        select(Ticket.id, Ticket.serial)
        .join(LeaderCall, LeaderCall.ticket_id == Ticket.id)
        .where(LeaderCall.key_matter, Ticket.jurisdiction == centre.jurisdiction.id)
    )
    if since is not None:
        query = query.where(LeaderCall.at >= since)
    return [Concerned(row.id, row.serial, "leader_call", "given") for row in await session.execute(query)]


async def _bad_second_ratings(
    session: AsyncSession, centre: Centre, satisfied: tuple[str, ...], since: datetime | None
) -> list[Concerned]:
    query = (
        select(Ticket.id, Ticket.serial, Rating.round)
        .join(Rating, Rating.ticket_id == Ticket.id)
        .where(
            Rating.object == "result",
            Rating.round > 1,
            Rating.level.not_in(satisfied),
            Ticket.jurisdiction == centre.jurisdiction.id,
        )
    )
    if since is not None:
        query = query.where(Rating.at >= since)
    rows = await session.execute(query)
    return [Concerned(row.id, row.serial, "second_rating_bad", f"round:{row.round}") for row in rows]


async def _violations(session: AsyncSession, centre: Centre, law: Law, since: datetime, now: datetime) -> int:
    counted = {one.id: one for one in law.violations if one.counted == "yes"}
    new = 0
    if (sent_back := counted.get("V1")) is not None:
        new += await propose_violations(session, await _redone_in_a_row(session, centre, sent_back), now)
    if (unexplained := counted.get("V2")) is not None:
        for month in await _months(session, centre, since, now):
            suspected = await _late_and_unexplained(session, centre, unexplained, month)
            new += await propose_violations(session, suspected, now)
            await _bring_up_to_date(session, centre, unexplained, month, suspected)
    return new


async def _redone_in_a_row(session: AsyncSession, centre: Centre, law: Violation) -> list[Suspected]:
    proposed = select(ViolationRecord.id).where(
        ViolationRecord.ticket_id == Task.ticket_id,
        ViolationRecord.unit == Task.unit,
        ViolationRecord.violation == "V1",
    )
    query = (
        select(Task.id, Task.ticket_id, Task.unit, Task.redos_in_a_row, Ticket.serial)
        .join(Ticket, Ticket.id == Task.ticket_id)
        .where(
            Task.redos_in_a_row > 0,  # by the index of those that were sent back at all
            Task.redos_in_a_row >= law.threshold,
            Ticket.jurisdiction == centre.jurisdiction.id,
            ~proposed.exists(),
        )
    )
    return [
        Suspected(
            unit=row.unit,
            violation="V1",
            occasion=f"task:{row.id}",
            facts=f"工单 {row.serial} 被连续 {row.redos_in_a_row} 次退回{unit_name(centre, row.unit)}重新办理",
            rule=law.rule,
            ticket_id=row.ticket_id,
        )
        for row in await session.execute(query)
    ]


async def _late_and_unexplained(
    session: AsyncSession, centre: Centre, law: Violation, month: Period
) -> list[Suspected]:
    """Units with so many tickets whose limits they missed in a month, and gave no reason for.

    Tickets are counted, not clocks: who misses both limits of one ticket has failed once.
    """
    begin, end = month.bounds(centre.jurisdiction.zone)
    tickets = func.count(Clock.ticket_id.distinct())
    query = (
        select(Clock.unit, tickets.label("tickets"))
        .join(Ticket, Ticket.id == Clock.ticket_id)
        .where(
            LATE,
            Clock.due_at >= begin,
            Clock.due_at < end,
            Clock.why == "",
            Clock.unit != CENTRE,
            Ticket.jurisdiction == centre.jurisdiction.id,
        )
        .group_by(Clock.unit)
        .having(tickets >= law.threshold)
    )
    return [
        Suspected(
            unit=row.unit,
            violation="V2",
            occasion=month.name,
            facts=f"{unit_name(centre, row.unit)}{month.first:%Y年%m月}有 {row.tickets} 件未按规定时间办理和反馈，"
            "没有说明原因",
            rule=law.rule,
        )
        for row in await session.execute(query)
    ]


async def _bring_up_to_date(
    session: AsyncSession, centre: Centre, law: Violation, month: Period, suspected: list[Suspected]
) -> None:
    """The facts of proposals that nobody has decided yet follow the count, also below what the law demands: units may
    have given their reasons since. A decided one keeps what was decided on."""
    facts = {one.unit: one.facts for one in suspected}
    proposed = await session.scalars(
        select(ViolationRecord)
        .where(
            ViolationRecord.violation == law.id,
            ViolationRecord.occasion == month.name,
            ViolationRecord.state == "proposed",
            ViolationRecord.unit.in_(centre.jurisdiction.units),
        )
        .order_by(ViolationRecord.id)
    )
    for one in proposed:
        one.facts = facts.get(one.unit) or (
            f"{unit_name(centre, one.unit)}{month.first:%Y年%m月}未按规定时间办理和反馈、又没有说明原因的工单"
            f"已不到 {law.threshold} 件（其余的已说明原因），请核实是否撤销"
        )


async def _months(session: AsyncSession, centre: Centre, since: datetime, now: datetime) -> list[Period]:
    """The months that a look goes over: the one it began in, the present one, those between, and earlier ones in which
    a limit lay whose ticket was changed since: reviewed, and so found late, or explained."""
    month = containing(centre.calendar.day_of(since), "month")
    last = containing(centre.calendar.day_of(now), "month")
    found = {}
    while month.first <= last.first:
        found[month.first] = month
        month = containing(month.after, "month")
    changed = (
        select(Clock.due_at)
        .join(Ticket, Ticket.id == Clock.ticket_id)
        .where(
            LATE,
            Clock.due_at >= since - _LONGEST_REVIEW,
            Clock.due_at < now,
            Ticket.updated_at >= since,
            Ticket.jurisdiction == centre.jurisdiction.id,
        )
    )
    for due_at in await session.scalars(changed):
        month = containing(centre.calendar.day_of(due_at), "month")
        found[month.first] = month
    return [found[first] for first in sorted(found)]


async def _criticisms(session: AsyncSession, centre: Centre, law: Law, now: datetime) -> None:
    """Tell the centre of units that were criticised so often this year that the discipline inspection takes over."""
    if law.criticism is None:
        return
    year = containing(centre.calendar.day_of(now), "year")
    begin, end = year.bounds(centre.jurisdiction.zone)
    times = func.count(ViolationRecord.id)
    query = (
        select(ViolationRecord.unit, times.label("times"))
        .where(
            ViolationRecord.criticised_at >= begin,
            ViolationRecord.criticised_at < end,
            ViolationRecord.unit.in_(centre.jurisdiction.units),
        )
        .group_by(ViolationRecord.unit)
        .having(times >= law.criticism.threshold)
    )
    said = [
        Said(
            subject=f"criticism:{row.unit}:{year.name}",
            unit=CENTRE,
            kind="criticism",
            text=f"{unit_name(centre, row.unit)}{year.name}年被通报批评 {row.times} 次，"
            f"达到 {law.criticism.threshold} 次，请报区领导批示是否移送{unit_name(centre, law.criticism.to)}",
            rule=law.criticism.rule,
        )
        for row in await session.execute(query)
    ]
    await say(session, said, now, again=False)


def _proposed(trigger: str) -> Exists:
    of_ticket = select(EscalationRecord.id).where(EscalationRecord.ticket_id == Ticket.id)
    return of_ticket.where(EscalationRecord.trigger == trigger).exists()
