"""What a unit does with a ticket: contacts the caller, signs for it, starts on an emergency, explains what was late."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from routing.centre import Centre
from routing.life import given, limits
from routing.life.changing import LEAD, Change, changing
from routing.life.errors import BadValue, IllegalTransition, NotAllowed, Silent
from routing.life.tables import Task
from routing.storage import Ticket, TicketChange
from routing.tickets import Actor

_EXCUSE = "state_excuse"
"""Action of the history's line in which a unit names the force majeure that held it up."""

_LIMIT_OF_RECEIPT = ("accept", "sign")
"""Receipt has one limit, which some documents call acceptance (受理) and others signing (签收)."""


async def report_contact(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, note: str, at: datetime | None = None
) -> Ticket:
    """The unit has contacted the caller, and tells the centre so. `at`: when it called; None: now.

    The duty is towards both, so that it is done when the centre hears of it (YZ-15).
    Raises as `changing`; Missing, BadTime.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("report_contact").rule(centre.jurisdiction.prefix)
        task = change.own
        note = given.text("note", note, rule=rule, what="联系情况")
        contacted = given.moment(
            "at",
            at,
            now=change.at,
            since=task.dispatched_at,
            rule=rule,
            what="联系时间",
            since_what="派单时间",
        )
        task.contacted_at = task.contacted_at or contacted
        change.transition("report_contact", name=f"task {task.unit}", after=contacted.isoformat(), why=note)
        limits.fulfil(change, "contact", task)
    return change.ticket


async def sign(centre: Centre, ticket_id: str, version: int, actor: Actor, *, received_by: str = "") -> Ticket:
    """The unit confirms receipt (签收、受理). `received_by`: who answers for it there from now on; "": the actor.

    It keeps the right to return the ticket as long as the return clock runs (C13). What was referred to the
    discipline inspection is handed over with that.
    Raises as `changing`; BadValue for the name; IllegalTransition when it is signed for already.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("sign")
        task = change.own
        change.task_must_be(task, "sign")
        task.received_by = given.text("received_by", received_by or actor.name, rule="YZ-24", what="接收人", limit=100)
        task.accepted_at = change.at
        # What was referred to the discipline inspection goes on under its own rules.
        handed_over = change.ticket.state == "referred"
        if handed_over:
            task.completed_at = change.at
        to = "completed" if handed_over else "accepted"
        change.task_transition(task, "sign", to=to, why=f"接收人 {task.received_by}")
        if task.role == LEAD:
            change.transition("sign", why=f"接收人 {task.received_by}")
        for kind in _LIMIT_OF_RECEIPT:
            limits.end(change, limits.open_clock(change, kind, task))
    return change.ticket


async def start_handling(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    report: str,
    excused: str = "",
    at: datetime | None = None,
) -> Ticket:
    """The unit has started on an emergency and tells the centre the situation and what it does (`report`).

    `at`: when it started; the limit is met by telling the centre, which the law wants at the same time. `excused`:
    the accident or force majeure that the unit names; what follows from it the centre says (`confirm_excuse`).
    Raises as `changing`; Missing, BadTime; IllegalTransition for a ticket that is no emergency; BadValue where the
    document knows no exemption.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("start_handling").rule(centre.jurisdiction.prefix)
        _must_be_emergency(change, rule)
        duties = change.law.emergencies
        task = change.own
        what = "、".join(duties.report_back) if duties and duties.report_back else "处理情况"
        report = given.text("report", report, rule=rule, what=what)
        excused = given.text("excused", excused, rule=rule, what="不能按时启动的原因", required=False)
        if excused and not (duties and duties.exemption):
            raise BadValue(f"{centre.jurisdiction.document}没有规定可以不按时启动的情况", rule=rule, field="excused")
        started = given.moment(
            "at", at, now=change.at, since=task.dispatched_at, rule=rule, what="启动时间", since_what="派单时间"
        )
        task.started_at = task.started_at or started
        task.reported = report
        change.transition("start_handling", name=f"task {task.unit}", after=started.isoformat(), rule=rule, why=report)
        if excused:
            change.record(_EXCUSE, name=f"task {task.unit}", why=excused, rule=rule)
        clock = limits.open_clock(change, "start", task)
        limits.end(change, clock)
        if clock is not None and clock.state == "missed":
            clock.why = clock.why or excused
    return change.ticket


async def confirm_excuse(centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, why: str) -> Ticket:
    """The centre finds that the accident or force majeure that a unit named was one: the limits to which the law
    makes this exception do not count. `why`: how it knows.

    Raises as `changing`; Silent where the document knows no exemption; BadValue for a unit that has not named any;
    Missing; IllegalTransition when no limit is left to be excused.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("confirm_excuse").rule(centre.jurisdiction.prefix)
        duties = change.law.emergencies
        if duties is None or duties.exemption is None:
            raise Silent(f"{centre.jurisdiction.document}没有规定时限的例外情况", rule=rule)
        task = next((one for one in change.round_tasks if one.unit == unit), None)
        if task is None or not await _named_an_excuse(change, task):
            raise BadValue(f"“{unit[:60]}”没有说明{duties.exemption}", rule=duties.rule, field="unit")
        why = given.text("why", why, rule=duties.rule, what="核实的情况")
        excused = [
            clock
            for clock in change.clocks
            if clock.task_id == task.id and clock.kind in duties.exempts and clock.state not in ("met", "cancelled")
        ]
        if not excused:
            raise IllegalTransition("没有因此不算的时限：都按时完成了，或者已经确认过", rule=duties.rule)
        change.transition("confirm_excuse", name=f"task {unit}", after=duties.exemption, rule=duties.rule, why=why)
        if any(clock.kind == "complete" for clock in excused):
            # The citizen's clock is the same limit, seen from the other side.
            excused += [one for one in change.clocks if one.kind == "citizen" and one.state in limits.OPEN]
            change.ticket.late = None if change.ticket.completed_at is None else False
        for clock in excused:
            limits.cancel(change, clock, duties.exemption)
    return change.ticket


async def secure(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, report: str, at: datetime | None = None
) -> Ticket:
    """The unit is on the scene of an emergency and has made it safe (C2), and tells the centre; `at`: since when.

    Raises as `changing`; Missing, BadTime; IllegalTransition for a ticket that is no emergency.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("secure").rule(centre.jurisdiction.prefix)
        _must_be_emergency(change, rule)
        task = change.own
        report = given.text("report", report, rule=rule, what="安全防护情况")
        secured = given.moment(
            "at", at, now=change.at, since=task.dispatched_at, rule=rule, what="到场时间", since_what="派单时间"
        )
        change.transition("secure", name=f"task {task.unit}", after=secured.isoformat(), rule=rule, why=report)
        limits.end(change, limits.open_clock(change, "safety", task))
    return change.ticket


async def explain_missed_clock(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, clock_id: int, why: str
) -> Ticket:
    """The unit says why it missed a limit; what is explained does not count towards V2.

    Raises as `changing`; Missing; BadValue for a clock of another ticket; NotAllowed for one of another unit;
    IllegalTransition for one that was not missed, or is explained already.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("explain").rule(centre.jurisdiction.prefix)
        clock = next((one for one in change.clocks if one.id == clock_id), None)
        if clock is None:
            raise BadValue(f"这张工单没有编号为 {clock_id} 的期限", rule=rule, field="clock_id")
        if clock.unit != actor.unit:
            raise NotAllowed("只能说明本单位逾期的原因", rule=rule, field="clock_id")
        over = clock.state == "missed" or (clock.state in limits.OPEN and change.at > clock.due_at)
        if not over or clock.kind == "return":
            raise IllegalTransition("这个期限没有逾期，不用说明", rule=rule, field="clock_id")
        if clock.why:
            raise IllegalTransition("这次逾期已经说明过原因", rule=rule, field="clock_id")
        clock.why = given.text("why", why, rule=rule, what="逾期的原因")
        change.transition("explain", name=f"clock {clock.kind}", after=str(clock.id), why=clock.why)
    return change.ticket


async def _named_an_excuse(change: Change, task: Task) -> bool:
    since = await change.session.scalar(
        select(TicketChange.id)
        .where(TicketChange.ticket_id == task.ticket_id, TicketChange.action == _EXCUSE)
        .where(TicketChange.field == f"task {task.unit}", TicketChange.at >= task.dispatched_at)
        .limit(1)
    )
    return since is not None


def _must_be_emergency(change: Change, rule: str) -> None:
    if change.ticket.urgency != "emergency":
        raise IllegalTransition("这张工单不是应急类；是不是应急类由指挥中心界定", rule=rule, field="urgency")
