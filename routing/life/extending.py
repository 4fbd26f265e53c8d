"""Extensions (延期): asked for by the lead unit, decided by the centre, within what the law grants."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from routing.centre import Centre
from routing.law import clocks
from routing.law.provisions import Amount, Extension
from routing.life import given, limits
from routing.life.changing import LEAD, Change, changing
from routing.life.errors import IllegalTransition, NotAllowed, Silent, TooLate, TooLong, TooMany, Undecided
from routing.life.tables import Clock, ExtensionRequest
from routing.storage import Ticket
from routing.tickets import Actor


async def ask_extension(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, amount: Amount, reason: str
) -> Ticket:
    """The lead unit asks for `amount` more; the new limit follows from it.

    Raises as `changing`; IllegalTransition for tickets that cannot be extended (S13); Silent where the document
    grants none; TooMany, TooLate, TooLong, Undecided, Missing; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("ask_extension")
        task = change.own
        provision, clock = _allowed(change)
        if task.role != LEAD:
            raise NotAllowed("延期由主办单位申请，协办单位与它同一个期限", rule="YZ-16", field="unit")
        if await _open_request(change):
            raise Undecided("已经有一个延期申请在等决定", rule=provision.rule)
        if provision.max_times is not None and change.ticket.extensions >= provision.max_times:
            raise TooMany(f"延期最多 {provision.max_times} 次，已经用完", rule=provision.rule)
        calendar, zone = centre.calendar, centre.jurisdiction
        if change.at > clock.due_at:
            raise TooLate(f"期限已在 {given.local(clock.due_at, zone)} 到期，到期前才能申请", rule=provision.rule)
        if provision.ask_before_due is not None:
            latest = calendar.back(clock.due_at, provision.ask_before_due)
            if change.at > latest:
                raise TooLate(f"最晚要在 {given.local(latest, zone)} 以前申请延期", rule=provision.rule)
        given.amount("amount", amount, rule=provision.rule, what="延期时间")
        after = _within(change, provision, clock, amount)
        request = ExtensionRequest(
            ticket_id=ticket_id,
            task_id=task.id,
            unit=task.unit,
            number=change.ticket.extensions + 1,
            at=change.at,
            by=actor.name,
            reason=given.text("reason", reason, rule=provision.rule, what="申请延期的具体原因"),
            amount=amount.value,
            amount_unit=amount.unit,
            due_before=clock.due_at,
            decision="",
        )
        change.session.add(request)
        change.transition(
            "ask_extension",
            name=f"task {task.unit}",
            after=f"{amount.value} {amount.unit} {after.isoformat()}",
            rule=provision.rule,
            why=request.reason,
        )
    return change.ticket


async def decide_extension(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, granted: bool, why: str = ""
) -> Ticket:
    """Grant or refuse the open request, also while the unit's result is reviewed. A granted one moves the limit; it
    never becomes shorter.

    Raises as `changing`; NotAllowed for another role; IllegalTransition without an open request; Missing without a
    reason for a no; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        action = "grant_extension" if granted else "refuse_extension"
        default = change.may(action).rule(centre.jurisdiction.prefix)
        request = await _open_request(change)
        if request is None:
            raise IllegalTransition("没有待决定的延期申请", rule=default)
        provision, clock = _allowed(change, (*limits.OPEN, "stopped"))
        change.must_be(provision.approver, "延期", rule=provision.rule)
        why = given.text("why", why, rule=provision.rule, what="不同意的理由", required=not granted)
        request.decision = "granted" if granted else "refused"
        request.decided_at, request.decided_by, request.why = change.at, actor.name, why
        before = clock.due_at
        if granted:
            amount = Amount.model_validate({"value": request.amount, "unit": request.amount_unit})
            limits.put_off(change, clock, amount)
            change.ticket.extensions += 1
            request.due_after = clock.due_at
        change.transition(
            action,
            name=f"clock {clock.kind}",
            after=f"{before.isoformat()} {clock.due_at.isoformat()}",
            rule=provision.rule,
            why=why,
        )
    return change.ticket


async def tell_caller(centre: Centre, ticket_id: str, version: int, actor: Actor, *, what: str) -> Ticket:
    """The caller was told something about the ticket: that it takes longer, and why (TP-18).

    Raises as `changing`; Missing; NotAllowed for a unit that has no task of it.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("tell_caller").rule(centre.jurisdiction.prefix)
        if actor.unit:
            _ = change.own
        what = given.text("what", what, rule=rule, what="告知的内容")
        query = (
            select(ExtensionRequest)
            .where(ExtensionRequest.ticket_id == ticket_id, ExtensionRequest.decision == "granted")
            .where(ExtensionRequest.caller_told_at.is_(None))
        )
        for request in await change.session.scalars(query):
            request.caller_told_at = change.at
        change.transition("tell_caller", name="caller", after=what)
    return change.ticket


def _allowed(change: Change, states: tuple[str, ...] = limits.OPEN) -> tuple[Extension, Clock]:
    """The provision by which this ticket may be extended, and the clock that it moves, in one of `states`."""
    ticket, law = change.ticket, change.law
    clock = limits.completion(change, change.lead)
    for no in law.no_extension:
        is_meant = no.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        if is_meant and (not no.redo or ticket.state == "redo"):
            what = "重办的工单" if no.redo else "这类工单（应急类等）"
            raise IllegalTransition(f"{what}不得延期", rule=no.ruling or no.rule, field="amount")
    provision = next(
        (one for one in law.extensions if one.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)),
        None,
    )
    if provision is None:
        raise Silent(f"{change.jurisdiction.document}没有规定这类工单可以延期", rule="YZ-19")
    if clock is None or clock.state not in states:
        raise IllegalTransition("现在没有正在计算的办结期限，不能延期", rule=provision.rule)
    return provision, clock


def _within(change: Change, provision: Extension, clock: Clock, amount: Amount) -> datetime:
    """The new limit. Raises TooLong beyond what the law grants each time and in all."""
    calendar = change.centre.calendar
    after = calendar.put_off(clock.due_at, amount)
    each, total = provision.max_each, provision.max_total
    if each is not None and after > calendar.put_off(clock.due_at, each):
        raise TooLong(f"每次延期最多 {each.value} {_UNITS[each.unit]}", rule=provision.rule, field="amount")
    kept = [step for step in limits.steps_of(clock) if isinstance(step, clocks.Stopped)]
    first = clocks.due(calendar, clock.started_at, limits.amount_of(clock), kept)
    if total is not None and after > calendar.put_off(first, total):
        raise TooLong(f"延期合计最多 {total.value} {_UNITS[total.unit]}", rule=provision.rule, field="amount")
    if provision.not_beyond_legal_limit and limits.is_of_other_law(change, clock):
        raise TooLong(f"期限由{clock.article}规定，延期不得超过法定期限", rule=provision.rule, field="amount")
    return after


async def _open_request(change: Change) -> ExtensionRequest | None:
    found: ExtensionRequest | None = await change.session.scalar(
        select(ExtensionRequest)
        .where(ExtensionRequest.task_id == change.lead.id, ExtensionRequest.decision == "")
        .limit(1)
    )
    return found


_UNITS = {"minute": "分钟", "hour": "小时", "calendar_day": "天", "working_day": "个工作日"}
