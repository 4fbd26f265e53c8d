"""A unit's task ends without a result: the ticket was taken back, or the whole round is over."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select

from routing.life import limits
from routing.life.changing import Change
from routing.life.tables import ExtensionRequest, Return, Submission, Task

RequestT = TypeVar("RequestT", Return, ExtensionRequest, Submission)

WITHDRAWN = "withdrawn"
"""Decision on what waited for one when its task was withdrawn."""


async def withdraw(change: Change, task: Task, *, why: str, rule: str = "") -> None:
    """End the task, its clocks, and whatever of it waits for a decision. A completed task stays what it is."""
    if task.state == "completed":
        return
    limits.cancel_all(change, task, why)
    change.task_transition(task, "withdraw", rule=rule, why=why)
    await drop_requests(change, task, why)


async def drop_requests(change: Change, task: Task, why: str) -> None:
    """What waits for a decision about this task needs none any more."""
    await _drop(change, Return, task, why)
    await _drop(change, ExtensionRequest, task, why)
    await _drop(change, Submission, task, why)


async def _drop(change: Change, table: type[RequestT], task: Task, why: str) -> None:
    waiting = select(table).where(table.task_id == task.id, table.decision == "")
    # One by one: what the rows say is sealed as they are written.
    for row in await change.session.scalars(waiting):
        row.decision, row.why = WITHDRAWN, why
        row.decided_at, row.decided_by = change.at, change.actor.name
