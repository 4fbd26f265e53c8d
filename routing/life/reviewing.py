"""What the centre does with a result: passes it or not, ends a mediation, and archives what is done in every way."""

from __future__ import annotations

from sqlalchemy import select

from routing.centre import Centre
from routing.law.calendar import BeyondCalendar
from routing.life import given, limits
from routing.life.changing import Change, changing
from routing.life.errors import IllegalTransition, Silent, Undecided
from routing.life.parts import parts_of
from routing.life.redo import CALLBACK_UNSOLVED
from routing.life.tables import Submission, Task
from routing.life.withdrawing import drop_requests, withdraw
from routing.storage import Ticket
from routing.tickets import Actor
from routing.watch.notices import Said, say

_ALL = ("completed", "reviewed", "called_back")
"""What a ticket needs before it is archived, where the document does not say (invariant 7)."""

_HAS_A_RESULT = ("completed", "reviewed")
"""What an ended mediation has not, and never will (YZ-21)."""


async def review_result(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, passed: bool, why: str = ""
) -> Ticket:
    """Pass the lead unit's result, or send it back to be worked on with the time that was left.

    Raises as `changing`; Missing without a reason for a no; BeyondCalendar.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        action = "pass" if passed else "reject"
        rule = change.may(action).rule(centre.jurisdiction.prefix)
        why = given.text("why", why, rule=rule, what="不通过的理由", required=not passed)
        task = change.lead
        submission = await _under_review(change, task)
        submission.decision = "passed" if passed else "rejected"
        submission.decided_at, submission.decided_by, submission.why = change.at, actor.name, why
        limits.end(change, limits.open_clock(change, "result_review", task))
        if passed:
            await _completed(change, task, submission, why)
        else:
            back = "redo" if submission.redo else "in_hand"
            change.task_transition(task, "reject", to="redo" if submission.redo else "accepted", why=why)
            change.transition("reject", to=back, why=why)
            limits.reopen(change, limits.completion(change, task))
    return change.ticket


async def end_mediation(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """End the mediation: the ticket is not dispatched again (YZ-21).

    Raises as `changing`; Silent where the document does not provide for it; Missing.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("end_mediation").rule(centre.jurisdiction.prefix)
        law = change.law.redo
        if law is None or not law.mediation_ends:
            raise Silent(f"{centre.jurisdiction.document}没有规定终止调解", rule=rule)
        why = given.text("why", why, rule=law.rule, what="终止调解的理由")
        units = {task.id for task in change.round_tasks}
        for task in change.round_tasks:
            await withdraw(change, task, rule=law.rule, why=why)
        limits.cancel_all(change, None, "终止调解")
        if any(
            one.kind in limits.COMPLETION and one.task_id in units and one.state == "missed" for one in change.clocks
        ):
            change.ticket.late = True
        if change.ticket.attention == CALLBACK_UNSOLVED:
            change.record("attention", before=change.ticket.attention, why="终止调解", rule=law.rule)
            change.ticket.attention = ""
        change.transition("end_mediation", rule=law.rule, why=why)
    return change.ticket


async def archive(centre: Centre, ticket_id: str, version: int, actor: Actor) -> Ticket:
    """Archive a ticket that is completed, reviewed and called back; anonymous callers are not called back (S17).
    A mediation that was ended has no result, so that only its citizen is to be called back.

    Raises as `changing`; Undecided that names what is not done yet.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("archive").rule(centre.jurisdiction.prefix)
        law, ticket = change.law.archive, change.ticket
        done = {
            "completed": ticket.completed_at is not None,
            "reviewed": ticket.reviewed_at is not None,
            "called_back": ticket.called_back_at is not None or not await is_called_back(change),
        }
        waived = _HAS_A_RESULT if ticket.state == "mediation_ended" else ()
        demanded = [one for one in (law.requires if law else _ALL) if one not in waived]
        missing = [_NOT_DONE[one] for one in demanded if not done[one]]
        if missing:
            raise Undecided(f"还不能归档：{'、'.join(missing)}", rule=law.rule if law else rule)
        ticket.archived_at = change.at
        limits.cancel_all(change, None, "归档")
        change.transition("archive", rule=law.rule if law else "")
    return change.ticket


async def is_called_back(change: Change) -> bool:
    """Whether a citizen is to be called back, one whose ticket was merged too: everybody but the anonymous, unless the
    law wants them too.
    """
    policy = change.law.callback
    if not change.ticket.anonymous or (policy and policy.anonymous):
        return True
    return any(not part.anonymous for part in await parts_of(change.session, change.ticket.id))


async def _completed(change: Change, task: Task, submission: Submission, why: str) -> None:
    ticket = change.ticket
    if limits.settle(change, limits.completion(change, task)) is not None:
        mine = [one for one in change.clocks if one.kind in limits.COMPLETION and one.task_id == task.id]
        ticket.late = any(one.state == "missed" for one in mine)
    ticket.completed_at = task.completed_at = submission.approved_at
    ticket.reviewed_at = change.at
    citizens = limits.open_clock(change, "citizen")
    limits.end(change, citizens, at=submission.approved_at)
    await drop_requests(change, task, "已办结")
    change.task_transition(task, "pass", why=why)
    change.transition("pass", why=why)
    if await is_called_back(change):
        await _start_callback(change)


async def _start_callback(change: Change) -> None:
    """A result that is good is passed, also where nobody has entered the year in which the callback is due."""
    try:
        limits.start(change, "review")
    except BeyondCalendar as unknown:
        change.record("clock_left_out", name="clock callback", why=str(unknown), rule=unknown.rule)
        text = f"工单 {change.ticket.serial} 的回访没有计算期限，请按时回访：{unknown}"
        subject = f"no_callback_clock:{change.ticket.id}"
        said = Said(subject, "", "calendar", text, unknown.rule, change.ticket.id)
        await say(change.session, [said], change.at)


async def _under_review(change: Change, task: Task) -> Submission:
    found: Submission | None = await change.session.scalar(
        select(Submission)
        .where(Submission.task_id == task.id, Submission.decision == "", Submission.approved_at.is_not(None))
        .order_by(Submission.id.desc())
        .limit(1)
    )
    if found is None:
        raise IllegalTransition(f"{change.unit_name(task.unit)}没有待复核的办理结果", rule="YZ-20")
    return found


_NOT_DONE = {"completed": "还没有办结", "reviewed": "还没有通过复核", "called_back": "还没有回访"}
