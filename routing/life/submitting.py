"""Results (办理结果): the form that the law demands, the approvals inside the unit, and then to the centre.

An assisting unit's result goes to the lead unit; the lead's goes to the centre when all who assist are done.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from routing.centre import Centre
from routing.law.provisions import FormField
from routing.life import given, limits
from routing.life.changing import ASSIST, LEAD, Change, changing
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Undecided
from routing.life.states import ROLE_NAMES
from routing.life.tables import Submission, Task
from routing.storage import Ticket
from routing.tickets import Actor

DISAPPROVED = "disapproved"
"""Decision on a submission that did not leave its unit."""

_FORM = "form."


async def submit_result(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, form: Mapping[str, str]
) -> Ticket:
    """The unit says what it did. Without approvals to wait for, the result goes on at once.

    `form`: values by the ids of the fields that the law's forms ask for. Raises as `changing`; Missing, BadValue
    (field `form.ID`); Missing when the caller has not been contacted; Undecided while assisting units are not done.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("submit")
        task = change.own
        change.task_must_be(task, "submit")
        if limits.open_clock(change, "contact", task) is not None:
            raise Missing("请先与诉求人联系，再提交结果", rule="YZ-15", field="contact")
        _assisting_must_be_done(change, task)
        kept = _checked(change, form) if task.role == LEAD else _assisting_result(form)
        submission = Submission(
            ticket_id=ticket_id,
            task_id=task.id,
            unit=task.unit,
            at=change.at,
            by=actor.name,
            form=kept,
            redo=task.state == "redo",
            approvals=[],
            decision="",
        )
        change.session.add(submission)
        task.submitted_at = change.at
        change.task_transition(task, "submit")
        if not approvers(change, task, submission):
            _hand_in(change, task, submission)
    return change.ticket


async def approve(centre: Centre, ticket_id: str, version: int, actor: Actor) -> Ticket:
    """Approve the unit's result, each of the law's roles in its turn; with the last one it goes to the centre.

    Raises as `changing`; NotAllowed for another unit, another role or the one who approved before; IllegalTransition
    without a result that waits; Undecided while assisting units are not done.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("approve")
        task = change.own
        submission = await _waiting(change, task)
        _must_be_next(change, task, submission)
        approval = {"role": change.role, "by": actor.name, "at": change.at.isoformat()}
        submission.approvals = [*submission.approvals, approval]
        change.record("approve", name=f"task {task.unit}", after=change.role, rule=_rule(change, submission))
        if len(submission.approvals) == len(approvers(change, task, submission)):
            _assisting_must_be_done(change, task)
            _hand_in(change, task, submission)
    return change.ticket


async def disapprove(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """Send the result back inside the unit; its clocks have run on. Raises as `approve`; Missing without a reason."""
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("disapprove")
        task = change.own
        submission = await _waiting(change, task)
        _must_be_next(change, task, submission)
        why = given.text("why", why, rule=_rule(change, submission), what="退回的理由")
        submission.decision, submission.why = DISAPPROVED, why
        submission.decided_at, submission.decided_by = change.at, actor.name
        task.submitted_at = None
        change.task_transition(task, "disapprove", to="redo" if submission.redo else "accepted", why=why)
    return change.ticket


def form_fields(change: Change) -> list[FormField]:
    """The fields that the result of this ticket must have: those of all forms that cover it."""
    ticket = change.ticket
    return [
        field
        for form in change.law.completion_forms
        if form.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        for field in form.fields
    ]


def approvers(change: Change, task: Task, submission: Submission) -> tuple[str, ...]:
    """The roles of the unit that approve this result, in order."""
    if task.role == ASSIST:
        return ()
    ticket = change.ticket
    return tuple(
        role
        for approval in change.law.approvals
        if approval.redo == submission.redo
        and approval.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        for role in approval.roles
    )


def _hand_in(change: Change, task: Task, submission: Submission) -> None:
    submission.approved_at = change.at
    limits.cancel(change, limits.open_clock(change, "return", task), "已报送结果")
    if task.role == ASSIST:
        submission.decision, submission.decided_at = "passed", change.at
        task.completed_at = change.at
        change.task_transition(task, "hand_in", to="completed")
        return
    change.task_transition(task, "hand_in", to="approved")
    change.transition("hand_in")
    limits.stop(change, limits.completion(change, task))
    limits.start(change, "submission", task)


async def _waiting(change: Change, task: Task) -> Submission:
    found: Submission | None = await change.session.scalar(
        select(Submission)
        .where(Submission.task_id == task.id, Submission.decision == "", Submission.approved_at.is_(None))
        .order_by(Submission.id.desc())
        .limit(1)
    )
    if task.state != "submitted" or found is None:
        raise IllegalTransition(f"{change.unit_name(task.unit)}没有待审批的办理结果", rule="YZ-18")
    return found


def _must_be_next(change: Change, task: Task, submission: Submission) -> None:
    rule = _rule(change, submission)
    role = approvers(change, task, submission)[len(submission.approvals)]
    if change.role != role:
        raise NotAllowed(f"现在由{ROLE_NAMES[role]}审批，{ROLE_NAMES[change.role]}不能审批", rule=rule, field="role")
    if any(one["by"] == change.actor.name for one in submission.approvals):
        raise NotAllowed(f"{change.actor.name}已经审批过一次，下一级由另一个人审批", rule=rule, field="actor")


def _rule(change: Change, submission: Submission) -> str:
    ticket = change.ticket
    return next(
        (
            approval.rule
            for approval in change.law.approvals
            if approval.redo == submission.redo
            and approval.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        ),
        "YZ-18",
    )


def _assisting_must_be_done(change: Change, task: Task) -> None:
    if task.role == ASSIST:
        return
    open_ones = [one for one in change.round_tasks if one.role == ASSIST and one.state != "completed"]
    if open_ones:
        names = "、".join(change.unit_name(one.unit) for one in open_ones)
        raise Undecided(
            f"协办单位还没有办结：{names}；请督促，或请指挥中心撤回协办",
            rule="YZ-16",
            field="assisting",
        )


def _checked(change: Change, form: Mapping[str, str]) -> dict[str, str]:
    """The form with all that it must say. Raises Missing, BadValue."""
    ticket, law = change.ticket, change.law
    rule = next(
        (
            one.rule
            for one in law.completion_forms
            if one.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        ),
        "SY18-0",
    )
    fields = {field.id: field for field in form_fields(change)}
    if unknown := [name for name in form if name not in fields]:
        there = "、".join(f"{one.id}（{one.name}）" for one in fields.values()) or "没有要填的项"
        raise BadValue(f"办结表里没有“{unknown[0][:60]}”（有：{there}）", rule=rule, field=f"{_FORM}{unknown[0][:60]}")
    kept: dict[str, str] = {}
    for name, field in fields.items():
        demanded = field.required_when is None or form.get(field.required_when[0], "") == field.required_when[1]
        value = given.text(f"{_FORM}{name}", form.get(name, ""), rule=rule, what=field.name, required=demanded)
        if value and field.choices:
            given.one_of(f"{_FORM}{name}", value, field.choices, rule=rule, what=field.name)
        if value:
            kept[name] = value
    return kept


def _assisting_result(form: Mapping[str, str]) -> dict[str, str]:
    """What an assisting unit tells the lead: one text."""
    if unknown := [name for name in form if name != "result"]:
        raise BadValue(
            f"协办单位只填 result（办理情况），没有“{unknown[0][:60]}”", rule="YZ-25", field=f"{_FORM}{unknown[0][:60]}"
        )
    return {"result": given.text(f"{_FORM}result", form.get("result", ""), rule="YZ-25", what="办理情况")}
