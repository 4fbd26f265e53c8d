"""Returns (退单): a unit gives a ticket back, the centre reviews it, and after a no that way is shut."""

from __future__ import annotations

from sqlalchemy import select

from routing.centre import Centre
from routing.life import given, limits
from routing.life.changing import LEAD, Change, changing
from routing.life.errors import BadValue, IllegalTransition, Locked, Silent, TooLate
from routing.life.tables import Return, Task
from routing.life.withdrawing import drop_requests, withdraw
from routing.storage import Ticket
from routing.tickets import Actor


async def return_task(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    reason: str,
    basis: str = "",
    safety: str = "",
) -> Ticket:
    """The unit gives its task back, within the return limit; signing for it has not taken that right away (C13).

    `basis`: articles, where the law demands them; `safety`: what was done about the danger, where the matter is one.
    Until the centre relieves it the unit stays responsible: all clocks run on.
    Raises as `changing`; Silent where the document has no returns; Locked, TooLate, Missing.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("return")
        law, task = change.law.returns, change.own
        if law is None:
            raise Silent(f"{centre.jurisdiction.document}没有规定退单，请与指挥中心联系", rule="YZ-17")
        change.task_must_be(task, "return", rule=law.rule)
        if task.return_locked:
            raise Locked(
                f"{change.unit_name(task.unit)}不得再退回：退单没有被同意，或者已经确定由它承办", rule=law.rule
            )
        window = limits.open_clock(change, "return", task)
        if window is not None and change.at > window.due_at:
            due = given.local(window.due_at, centre.jurisdiction)
            raise TooLate(f"退单的期限到 {due} 为止，已经超过", rule=window.rule)
        kept = Return(
            ticket_id=ticket_id,
            task_id=task.id,
            unit=task.unit,
            at=change.at,
            by=actor.name,
            reason=given.text(
                "reason", reason, rule=law.rule, what="退回的理由（要详细）", required=law.reason_required
            ),
            basis=given.text(
                "basis", basis, rule=law.rule, what="退回的依据（法律条文或政策法规）", required=law.basis_required
            ),
            safety=given.text(
                "safety",
                safety,
                rule="YZ-15",
                what="安全隐患排查的情况",
                required=law.safety_statement and change.ticket.hazard,
            ),
            decision="",
        )
        change.session.add(kept)
        change.task_transition(task, "return", rule=law.rule, why=kept.reason)
        if task.role == LEAD:
            change.transition("return", rule=law.rule, why=kept.reason)
        limits.end(change, window)
        limits.start(change, "return", task)
    return change.ticket


async def review_return(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, accepted: bool, why: str = ""
) -> Ticket:
    """Decide on the return of `unit`: accepted, the ticket is to be dispatched again; rejected, the unit handles it
    and may not return it again.

    Raises as `changing`; NotAllowed for another role; IllegalTransition without an open return; Missing without a
    reason for a no.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        action = "accept_return" if accepted else "reject_return"
        step = change.may(action)
        law = change.law.returns
        rule = law.rule if law else step.rule(centre.jurisdiction.prefix)
        if law is not None:
            change.must_be(law.reviewed_by, "退单", rule=rule)
        why = given.text("why", why, rule=rule, what="不同意的理由", required=not accepted)
        task = next((one for one in change.round_tasks if one.unit == unit and one.state == "returning"), None)
        if task is None:
            raise IllegalTransition(f"“{unit[:60]}”没有待审核的退单", rule=rule, field="unit")
        kept = await _open_return(change, task)
        kept.decision = "accepted" if accepted else "rejected"
        kept.decided_at, kept.decided_by, kept.why = change.at, actor.name, why
        limits.end(change, limits.open_clock(change, "return_review", task))
        is_lead = task.role == LEAD
        if accepted:
            change.task_transition(task, action, rule=rule, why=why)
            # What went over while the centre had the return on its table is not the unit's fault.
            limits.cancel_all(change, task, "退单已同意", as_of=kept.at)
            await drop_requests(change, task, "退单已同意")
            if is_lead:
                # Without a lead nobody assists: whoever is to assist the next lead gets a task of the next round.
                for other in change.round_tasks:
                    await withdraw(change, other, rule=rule, why="主办已退单")
                change.transition(action, rule=rule, why=why)
            return change.ticket
        if law is not None and law.rejected_locks:
            task.return_locked = True
        back = "accepted" if task.accepted_at else "dispatched"
        change.task_transition(task, action, to=back, rule=rule, why=why)
        if is_lead:
            change.transition(action, to="in_hand" if task.accepted_at else "dispatched", rule=rule, why=why)
    return change.ticket


async def take_back(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """The centre takes a dispatched ticket back by itself, so that it can be dispatched again.

    Raises as `changing`; Missing.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("take_back").rule(centre.jurisdiction.prefix)
        why = given.text("why", why, rule=rule, what="撤回的理由")
        for task in change.round_tasks:
            await withdraw(change, task, why=why)
        change.transition("take_back", why=why)
    return change.ticket


async def withdraw_assisting(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, unit: str, why: str
) -> Ticket:
    """The centre takes an assisting unit off a ticket. Raises as `changing`; Missing, BadValue."""
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("withdraw_assisting").rule(centre.jurisdiction.prefix)
        why = given.text("why", why, rule=rule, what="撤回的理由")
        task = next((one for one in change.round_tasks if one.unit == unit and one.role != LEAD), None)
        if task is None:
            raise BadValue(f"“{unit[:60]}”不是这张工单的协办单位", rule=rule, field="unit")
        await withdraw(change, task, why=why)
    return change.ticket


async def _open_return(change: Change, task: Task) -> Return:
    found = await change.session.scalars(
        select(Return).where(Return.task_id == task.id, Return.decision == "").order_by(Return.id.desc()).limit(1)
    )
    return found.one()
