"""What a unit does with a ticket: contacts the caller, signs for it, starts on an emergency, explains what was late."""

from __future__ import annotations

from datetime import datetime

from routing.centre import Centre
from routing.life import given, limits
from routing.life.changing import LEAD, Change, changing
from routing.life.errors import BadValue, IllegalTransition, NotAllowed
from routing.storage import Ticket
from routing.tickets import Actor

_LIMIT_OF_RECEIPT = ("accept", "sign")
"""Receipt has one limit, which some documents call acceptance (受理) and others signing (签收)."""


async def report_contact(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, note: str, at: datetime | None = None
) -> Ticket:
    """The unit has contacted the caller, and tells the centre so. `at`: when; None: now.

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
        limits.fulfil(change, "contact", task, contacted)
    return change.ticket


async def sign(centre: Centre, ticket_id: str, version: int, actor: Actor, *, received_by: str = "") -> Ticket:
    """The unit confirms receipt (签收、受理). `received_by`: who answers for it there from now on; "": the actor.

    It keeps the right to return the ticket as long as the return clock runs (C13).
    Raises as `changing`; BadValue for the name; IllegalTransition when it is signed for already.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("sign")
        task = change.own
        change.task_must_be(task, "sign")
        task.received_by = given.text("received_by", received_by or actor.name, rule="YZ-24", what="接收人", limit=100)
        task.accepted_at = change.at
        change.task_transition(task, "sign", why=f"接收人 {task.received_by}")
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

    `excused`: the accident or force majeure for which the limit does not count. Raises as `changing`; Missing,
    BadTime; IllegalTransition for a ticket that is no emergency; BadValue where the document knows no exemption.
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
        clock = limits.open_clock(change, "start", task)
        if excused:
            limits.cancel(change, clock, excused)
        else:
            limits.end(change, clock, at=started)
    return change.ticket


async def secure(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, report: str, at: datetime | None = None
) -> Ticket:
    """The unit is on the scene of an emergency and has made it safe (C2).

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
        limits.end(change, limits.open_clock(change, "safety", task), at=secured)
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


def _must_be_emergency(change: Change, rule: str) -> None:
    if change.ticket.urgency != "emergency":
        raise IllegalTransition("这张工单不是应急类；是不是应急类由指挥中心界定", rule=rule, field="urgency")
