"""Dispatch (派单) and re-dispatch (重新批转): a ticket reaches its units, and their clocks start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from routing.centre import Centre
from routing.law.clocks import NotStricter, StartedClock, by_other_law, due
from routing.law.provisions import Amount
from routing.life import given, limits
from routing.life.changing import ASSIST, LEAD, THE_MACHINE, Change, changing
from routing.life.errors import BadValue, IllegalTransition, Locked, Missing, NotAllowed, Silent, TooLong, Undecided
from routing.life.intake import needs_pre_review
from routing.life.tables import Return, Task
from routing.storage import Ticket
from routing.tickets import Actor

NOT_TELEPHONED = "not_telephoned"
"""Why the centre should look at an emergency: a unit has not been told by telephone yet."""


async def dispatch(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    lead: str,
    assisting: Sequence[str] = (),
    telephoned: Mapping[str, str] | None = None,
    why: str = "",
    direct: bool = False,
) -> Ticket:
    """Dispatch an accepted ticket to a lead unit and those that assist it; every clock of the law starts now.

    `telephoned`: for emergencies, who at which unit was told by telephone as well; the ticket stays on the list of
    those to look at until all were. `direct`: by the direct-dispatch list, the only way in which the machine may.
    Raises as `changing`; Missing (scope item, intent, handling class), BadValue (units), Undecided (pre-review),
    BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("dispatch").rule(centre.jurisdiction.prefix)
        ticket = change.ticket
        _must_be_complete(change, rule)
        if change.actor == THE_MACHINE and not direct:
            raise NotAllowed("系统只能按直派清单派单，其余由人派单", rule="QH-4b", field="direct")
        if direct and _is_emergency(change):
            raise IllegalTransition("应急类不能按直派清单派单，由人派单并电话通知", rule="YZ-14(4)", field="direct")
        _must_be_pre_reviewed(change)
        why = given.text("why", why, rule=rule, what="说明", required=False)
        ticket.direct = direct
        change.transition("dispatch", rule="QH-4b" if direct else rule, why=why)
        await _hand_out(change, lead, assisting, telephoned or {}, rule)
    return change.ticket


async def redispatch(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    lead: str,
    assisting: Sequence[str] = (),
    telephoned: Mapping[str, str] | None = None,
    verifies: bool = False,
    why: str = "",
) -> Ticket:
    """Dispatch a returned ticket again. A new unit gets the full limits from now; the citizen's clock runs on (S10).

    A unit that the centre took it back from goes on with the completion limit that it had; another law's limit is
    the new unit's too.
    `verifies`: the lead unit verifies the matter with the caller; demanded after returns by several units (YZ-21).
    Raises as `dispatch`; Locked for a lead that the ticket was taken back from on an accepted return.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("redispatch").rule(centre.jurisdiction.prefix)
        _must_be_complete(change, rule)
        _must_be_pre_reviewed(change)
        returned_by, taken_back_from = await _units_that_returned(change)
        if lead in taken_back_from and not verifies:
            raise Locked(
                f"{change.unit_name(lead)}的退单已经同意，不能原样派回；由它牵头核实的，请写明",
                rule=rule,
                field="lead",
            )
        law = change.law.returns
        if law and law.lead_after_units and len(returned_by) >= law.lead_after_units and not verifies:
            raise Missing(
                f"{'、'.join(change.unit_name(unit) for unit in returned_by)}都退过单，请写明由哪个主办单位牵头核实",
                rule="YZ-21",
                field="verifies",
            )
        why = given.text("why", why, rule=rule, what="说明", required=False)
        change.transition("redispatch", rule=rule, why=why)
        await _hand_out(change, lead, assisting, telephoned or {}, rule)
        if verifies:
            change.lead.verifies = True
            change.record("verifies", name=f"task {lead}", after="lead", why="由主办单位牵头核实", rule="YZ-21")
    return change.ticket


async def add_assisting(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, why: str = ""
) -> Ticket:
    """Give a dispatched ticket another assisting unit, whose own clocks start now; the one limit stays.

    Raises as `changing`; BadValue for a unit that has it already or is not there.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("add_assisting").rule(centre.jurisdiction.prefix)
        given.unit("unit", unit, centre.jurisdiction, rule=rule)
        if any(task.unit == unit for task in change.round_tasks):
            raise BadValue(f"{change.unit_name(unit)}已经在办理这张工单", rule=rule, field="unit")
        why = given.text("why", why, rule=rule, what="说明", required=False)
        change.transition("add_assisting", name="task", after=unit, why=why)
        await _give(change, unit, ASSIST, "")
        _remember_telephone(change)
    return change.ticket


async def note_phone(centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, told: str) -> Ticket:
    """Write down who at a unit was told of an emergency by telephone (YZ-14(4)).

    Raises as `changing`; Missing, BadValue for the unit or the name.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("note_phone").rule(centre.jurisdiction.prefix)
        told = given.text("told", told, rule=rule, what="单位接电话的人", limit=100)
        task = next((one for one in change.round_tasks if one.unit == unit), None)
        if task is None:
            raise BadValue(f"工单没有派给“{unit[:60]}”", rule=rule, field="unit")
        task.told_by_phone = told
        change.transition("note_phone", name=f"telephone {unit}", after=told)
        _remember_telephone(change)
    return change.ticket


async def determine_unit(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, by: str, why: str = ""
) -> Ticket:
    """It was settled by a dispute step (coordination, meeting, ...) which unit is responsible: it may not return it.

    Raises as `changing`; Silent where the document has no such steps; BadValue, Missing.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("determine_unit")
        law = change.law.returns
        if law is None or not law.determined_locks:
            raise Silent(f"{centre.jurisdiction.document}没有规定确定承办单位的程序", rule="TP-16")
        given.unit("unit", unit, centre.jurisdiction, rule=law.rule)
        given.one_of("by", by, law.dispute_steps, rule=law.rule, what="确定的方式")
        why = given.text("why", why, rule=law.rule, what="说明", required=False)
        change.ticket.return_locked = True
        change.ticket.functional_unit = unit
        for task in change.round_tasks:
            if task.unit == unit:
                task.return_locked = True
        change.transition("determine_unit", name="unit", after=unit, rule=law.rule, why=f"{by} {why}".strip())
    return change.ticket


async def apply_other_law(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, amount: Amount, basis: str
) -> Ticket:
    """Another law sets the completion limit (法律法规另有规定的，从其规定). `basis`: that law and its article.

    Raises as `changing`; Silent where the document gives way to no other law; TooLong where only a stricter limit
    goes before; IllegalTransition without a completion limit that runs; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        default_rule = change.may("apply_other_law").rule(centre.jurisdiction.prefix)
        ticket, law = change.ticket, change.law.other_law
        if law is None or not law.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency):
            raise Silent(f"{centre.jurisdiction.document}没有规定这类工单可以适用其他法律的期限", rule=default_rule)
        given.amount("amount", amount, rule=law.rule, what="期限")
        basis = given.text("basis", basis, rule=law.rule, what="法律依据（名称和条款）", limit=200)
        clock = limits.completion(change, change.lead)
        if clock is None or clock.state not in limits.OPEN or clock.kind != "complete":
            raise IllegalTransition("现在没有正在计算的办结期限", rule=law.rule)
        before = StartedClock(
            kind="complete",
            started_at=clock.started_at,
            due_at=due(centre.calendar, clock.started_at, limits.amount_of(clock)),
            amount=limits.amount_of(clock),
            rule=clock.rule,
            article=clock.article,
            phrase="",
            ruling=clock.ruling or None,
            calendar_version=centre.calendar.version,
        )
        try:
            after = by_other_law(centre.calendar, law, before, amount, basis)
        except NotStricter as longer:
            raise TooLong(
                f"只有更严的期限才能代替本规定的期限（现在到 {given.local(clock.due_at, centre.jurisdiction)}）",
                rule=law.rule,
                field="amount",
            ) from longer
        for one in change.clocks:
            if one is clock or (one.kind == "citizen" and one.state in limits.OPEN and ticket.rounds == 1):
                one.amount, one.amount_unit = after.amount.value, after.amount.unit
                one.article, one.rule, one.ruling = after.article, after.rule, ""
                was, one.due_at = one.due_at, due(centre.calendar, one.started_at, after.amount, limits.steps_of(one))
                one.calendar_version = centre.calendar.version
                one.warned = 0.0
                one.state = "running" if change.at <= one.due_at else "breached"
                limits.look_again(change, one)
                change.transition(
                    "apply_other_law",
                    name=f"clock {one.kind}",
                    after=f"{was.isoformat()} {one.due_at.isoformat()}",
                    rule=law.rule,
                    why=basis,
                )
    return change.ticket


def _must_be_complete(change: Change, rule: str) -> None:
    """What the law decides limits and units by has to be there."""
    ticket = change.ticket
    if not ticket.scope:
        raise Missing("请先写明受理范围", rule="YZ-11", field="scope")
    if not ticket.intent:
        raise Missing("请先写明诉求类型，期限由它决定", rule=rule, field="intent")
    by_class = (
        limit.applies.classes and (not limit.applies.intents or ticket.intent in limit.applies.intents)
        for limit in change.law.limits
    )
    if not ticket.handling_class and any(by_class):
        classes = "、".join(f"{one.id}（{one.name}）" for one in change.jurisdiction.handling_classes)
        raise Missing(f"请先写明办理类别（{classes}）；它由事项决定", rule="YZ-18", field="handling_class")


def _must_be_pre_reviewed(change: Change) -> None:
    if needs_pre_review(change) and change.ticket.pre_reviewed_at is None:
        raise Undecided("这类工单要先由主办单位预审同意，再派单", rule="YL-14(2)", field="pre_review")


async def _hand_out(
    change: Change, lead: str, assisting: Sequence[str], telephoned: Mapping[str, str], rule: str
) -> None:
    """Begin a round: one task for each unit."""
    ticket = change.ticket
    units = [lead, *assisting]
    for unit in units:
        given.unit("lead" if unit == lead else "assisting", unit, change.jurisdiction, rule=rule)
    if len(set(units)) != len(units):
        raise BadValue("一个单位在一张工单里只能有一个任务：主办或者协办", rule="YZ-16", field="assisting")
    if unknown := [unit for unit in telephoned if unit not in units]:
        raise BadValue(f"工单没有派给“{unknown[0][:60]}”", rule="YZ-14(4)", field="telephoned")
    if ticket.return_locked and lead != ticket.functional_unit:
        raise Locked(
            f"已经确定由{change.unit_name(ticket.functional_unit)}承办，只能派给它", rule="TP-16", field="lead"
        )
    if ticket.restricted_to and units != [ticket.restricted_to]:
        raise NotAllowed(f"这张工单只能派给{change.unit_name(ticket.restricted_to)}", rule="YZ-14(5)", field="lead")
    ticket.rounds += 1
    ticket.lead_unit = lead
    if ticket.dispatched_at is None:
        ticket.dispatched_at = change.at
        limits.start_citizens(change)
    for unit in units:
        told = telephoned.get(unit, "")
        if told:
            told = given.text("telephoned", told, rule="YZ-14(4)", what="单位接电话的人", limit=100)
        await _give(change, unit, LEAD if unit == lead else ASSIST, told)
    _remember_telephone(change)


async def _give(change: Change, unit: str, role: str, told_by_phone: str) -> Task:
    task = Task(
        ticket_id=change.ticket.id,
        unit=unit,
        role=role,
        state="dispatched",
        round=change.ticket.rounds,
        dispatched_at=change.at,
        dispatched_by=change.actor.name,
        told_by_phone=told_by_phone,
        return_locked=change.ticket.return_locked and role == LEAD,
    )
    change.session.add(task)
    # The clocks refer to the task by the id that the database gives it.
    await change.session.flush()
    change.tasks.append(task)
    change.record("task_given", name=f"task {unit}", after=role, why=told_by_phone, rule="YZ-16")
    if role == LEAD and limits.go_on(change, task):
        limits.start(change, "dispatch", task, only=limits.BUT_COMPLETION)
    else:
        limits.start(change, "dispatch", task, only=None if role == LEAD else limits.OF_ASSISTING)
    return task


def _is_emergency(change: Change) -> bool:
    return change.ticket.urgency == "emergency"


def _remember_telephone(change: Change) -> None:
    """An emergency stays on the list of those to look at until every unit was told by telephone too."""
    duties = change.law.emergencies
    if not _is_emergency(change) or duties is None or "telephone" not in duties.dispatch_by:
        return
    missing = [task for task in change.round_tasks if not task.told_by_phone]
    attention = NOT_TELEPHONED if missing else ""
    if attention != change.ticket.attention and change.ticket.attention in ("", NOT_TELEPHONED):
        change.record("attention", before=change.ticket.attention, after=attention, rule=duties.rule)
        change.ticket.attention = attention


async def _units_that_returned(change: Change) -> tuple[list[str], set[str]]:
    """The units that gave this ticket back, in order; and those of them whose return was accepted."""
    query = select(Return).where(Return.ticket_id == change.ticket.id).order_by(Return.id)
    given_back = list(await change.session.scalars(query))
    units = list(dict.fromkeys(one.unit for one in given_back))
    return units, {one.unit for one in given_back if one.decision == "accepted"}
