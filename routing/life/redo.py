"""Redo (重办): the centre sends a result back, with what it found; or the citizen says that nothing was solved."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from routing.centre import Centre
from routing.history import MACHINE
from routing.law.provisions import Amount, Limit
from routing.life import given, limits
from routing.life.changing import Change, changing
from routing.life.errors import Missing, NotAllowed, Silent, TooMany
from routing.life.tables import Submission, Task
from routing.life.withdrawing import drop_requests
from routing.storage import Ticket
from routing.tickets import Actor

SOLVED = ("unsolved", "untreated")
"""What a citizen says at callback so that the ticket goes back to its unit (YZ-20)."""

CALLBACK_UNSOLVED = "callback_unsolved"
"""Why somebody who decides should look at a ticket: the citizen says so, and whoever called may set no limit."""


async def order_redo(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, findings: Sequence[str] = (), why: str
) -> Ticket:
    """Send the ticket back to the unit that handled it. `findings`: what was found, in the law's words, all of them.

    Raises as `changing`; Silent where the document has no redo; Missing for a finding; TooMany; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        await order_within(change, findings=findings, why=why)
    return change.ticket


async def order_within(change: Change, *, findings: Sequence[str] = (), why: str) -> None:
    """The same as part of a change. The machine may where a rating sends the ticket back by itself (TP-22)."""
    step = change.may("order_redo")
    law = change.law.redo
    if law is None:
        raise Silent(f"{change.jurisdiction.document}没有规定重办", rule=step.rule(change.jurisdiction.prefix))
    if change.role == MACHINE and not law.after_ratings:
        raise NotAllowed("这里的规定没有按评价自动重办，由人决定", rule=law.rule, field="role")
    if change.role != MACHINE and (missing := [one for one in law.findings if one not in findings]):
        raise Missing(f"退回重办要认定：{'；'.join(missing)}", rule=law.rule, field="findings")
    if law.max_times is not None and change.ticket.redos >= law.max_times:
        raise TooMany(f"重办最多 {law.max_times} 次，已经重办过", rule=law.rule)
    why = given.text("why", why, rule=law.rule, what="重办的理由")
    task = change.lead
    await _back_to_unit(change, task)
    task.redos_in_a_row += 1
    found = "；".join([*(one for one in law.findings if one in findings), why])
    change.task_transition(task, "order_redo", rule=law.rule, why=found)
    change.transition("order_redo", rule=law.rule, why=found)
    limits.start(change, "redo", task)


async def send_back(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, solved: str, limit: Amount, why: str = ""
) -> Ticket:
    """The citizen said at callback that nothing was treated or solved: back to the unit, within `limit` (S6).

    Raises as `changing`; Silent where the document does not provide for it; NotAllowed for another role than the one
    that sets the limit; BadValue; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        await send_back_within(change, solved=solved, limit=limit, why=why)
    return change.ticket


async def send_back_within(change: Change, *, solved: str, limit: Amount, why: str = "") -> None:
    """The same as part of a change."""
    step = change.may("send_back")
    default = step.rule(change.jurisdiction.prefix)
    law = unsolved_limit(change)
    if law is None:
        raise Silent(f"{change.jurisdiction.document}没有规定回访未解决的退回，请退回重办", rule=default)
    if law.set_by is not None:
        change.must_be(law.set_by, "回访未解决的办理期限", rule=law.rule)
    given.one_of("solved", solved, SOLVED, rule=law.rule, what="诉求人的说法")
    given.amount("limit", limit, rule=law.rule, what="期限")
    why = given.text("why", why, rule=law.rule, what="说明", required=False)
    task = change.lead
    await _back_to_unit(change, task)
    said = f"诉求人表示{'未处理' if solved == 'untreated' else '未解决'}；{why}".rstrip("；")
    change.task_transition(task, "send_back", rule=law.rule, why=said)
    change.transition("send_back", rule=law.rule, why=said)
    limits.start_given(change, task, "redo", limit, rule=law.rule, article=law.article)


async def _back_to_unit(change: Change, task: Task) -> None:
    """What had been completed is not; the clocks of the centre stop, and what was still open is settled."""
    ticket = change.ticket
    waiting = await change.session.scalars(
        select(Submission).where(Submission.task_id == task.id, Submission.decision == "")
    )
    for submission in waiting:
        submission.decision, submission.decided_at, submission.decided_by = "rejected", change.at, change.actor.name
    await drop_requests(change, task, "退回重办")
    if limits.settle(change, limits.completion(change, task)):
        ticket.late = True
    limits.end(change, limits.open_clock(change, "result_review", task))
    limits.cancel(change, limits.open_clock(change, "callback"), "退回重办")
    limits.resume_citizens(change)
    if ticket.attention == CALLBACK_UNSOLVED:
        change.record("attention", before=ticket.attention, why="已退回承办单位")
        ticket.attention = ""
    ticket.redos += 1
    task.redos += 1
    ticket.completed_at = ticket.reviewed_at = ticket.called_back_at = None
    task.completed_at = task.submitted_at = None


def unsolved_limit(change: Change) -> Limit | None:
    """The provision by which what is not solved goes back to the unit; None: the document has none for this ticket."""
    ticket = change.ticket
    return next(
        (
            limit
            for limit in change.law.limits
            if limit.starts == "unsolved" and limit.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        ),
        None,
    )
