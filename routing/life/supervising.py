"""Supervision (督办) and submission to the leadership (呈批) that a person starts, and what the leadership answers.

What the software proposes is confirmed in routing.watch.decisions; both leave the same records.
"""

from __future__ import annotations

from typing import get_args

from routing.centre import Centre
from routing.law.provisions import Escalation
from routing.life import given, limits
from routing.life.changing import Change, changing
from routing.life.errors import BadValue, IllegalTransition
from routing.life.states import WITH_UNITS
from routing.life.tables import EscalationRecord
from routing.storage import Ticket
from routing.tickets import Actor

TRIGGERS: tuple[str, ...] = get_args(Escalation.model_fields["trigger"].annotation)
"""Why a ticket may be supervised or submitted: what a document may name, and `other`."""

OTHER = "other"
"""The trigger of whatever a person thinks reason enough, also where the document does not say so."""


async def supervise(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str, trigger: str = "other"
) -> Ticket:
    """Put a ticket under supervision. Raises as `changing`; IllegalTransition when it is; Missing, BadValue."""
    async with changing(centre, ticket_id, version, actor) as change:
        step = change.may("supervise")
        rule = _rule(change, trigger, step.rule(centre.jurisdiction.prefix))
        if change.ticket.supervised:
            raise IllegalTransition(f"工单 {change.ticket.serial} 已经在督办", rule=rule)
        why = given.text("why", why, rule=rule, what="督办的理由")
        change.transition("supervise", after=trigger, rule=rule, why=why)
        begin(change)
        _keep(change, trigger, rule, why, supervise=True, leadership=False)
    return change.ticket


def begin(change: Change) -> None:
    """The ticket is supervised from now on, and the law's clocks of that start for every unit that is at work on it.

    Raises BeyondCalendar.
    """
    change.ticket.supervised = True
    for task in change.round_tasks:
        if task.state != "completed" and change.ticket.state in WITH_UNITS:
            limits.start(change, "supervision", task)


async def end_supervision(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """Take a ticket out of supervision. Raises as `changing`; IllegalTransition when it is not in it; Missing."""
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("end_supervision").rule(centre.jurisdiction.prefix)
        if not change.ticket.supervised:
            raise IllegalTransition(f"工单 {change.ticket.serial} 没有在督办", rule=rule)
        why = given.text("why", why, rule=rule, what="解除督办的理由")
        change.ticket.supervised = False
        change.transition("end_supervision", why=why)
    return change.ticket


async def submit_to_leadership(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str, trigger: str = "other"
) -> Ticket:
    """Submit a ticket to the leadership. Raises as `changing`; Missing, BadValue."""
    async with changing(centre, ticket_id, version, actor) as change:
        step = change.may("submit_to_leadership")
        rule = _rule(change, trigger, step.rule(centre.jurisdiction.prefix))
        why = given.text("why", why, rule=rule, what="呈批的理由")
        change.transition("submit_to_leadership", after=trigger, rule=rule, why=why)
        _keep(change, trigger, rule, why, supervise=False, leadership=True)
    return change.ticket


async def instruct(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, number: int, instruction: str
) -> Ticket:
    """Write down what the leadership ordered (批示) on submission `number`.

    Raises as `changing`; BadValue for a number of another ticket; IllegalTransition for one that was not submitted,
    or has its instruction; Missing.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("instruct").rule(centre.jurisdiction.prefix)
        record = await change.session.get(EscalationRecord, number)
        if record is None or record.ticket_id != ticket_id:
            raise BadValue(f"这张工单没有编号为 {number} 的呈批", rule=rule, field="number")
        if not record.leadership or record.state != "confirmed":
            raise IllegalTransition("只有已经呈批、还没有批示的，才能写批示", rule=record.rule, field="number")
        record.instruction = given.text("instruction", instruction, rule=record.rule, what="批示")
        record.state = "done"
        change.transition("instruct", after=str(record.id), rule=record.rule, why=record.instruction)
    return change.ticket


def _rule(change: Change, trigger: str, default: str) -> str:
    """The rule of the law's own trigger. Any other reason is a person's own decision, by the table's row."""
    given.one_of("trigger", trigger, TRIGGERS, rule=default, what="督办、呈批的情形")
    rules: dict[str, str] = {one.trigger: one.rule for one in change.law.escalations}
    if trigger not in rules and trigger != OTHER:
        raise BadValue(
            f"{change.jurisdiction.document}没有把“{trigger}”列为督办、呈批的情形"
            f"（有：{'、'.join(rules) or '没有'}；别的理由用 {OTHER}）",
            rule=default,
            field="trigger",
        )
    return rules.get(trigger, default)


def _keep(change: Change, trigger: str, rule: str, why: str, *, supervise: bool, leadership: bool) -> None:
    change.session.add(
        EscalationRecord(
            ticket_id=change.ticket.id,
            trigger=trigger,
            # A person may do so more than once; the version makes each time its own occasion.
            occasion=f"person:{change.ticket.version}",
            supervise=supervise,
            leadership=leadership,
            rule=rule,
            state="confirmed",
            at=change.at,
            decided_at=change.at,
            decided_by=change.actor.name,
            why=why,
            instruction="",
        )
    )
