"""The clocks of a ticket: started by events, ended by what units and the centre do, moved by decisions.

A clock that runs is somebody's duty, and the watch looks at it (`next_look_at`). The return clock is no duty but a
window: nobody misses it, so the watch never looks at it.
"""

from __future__ import annotations

from datetime import datetime

from routing.law import clocks
from routing.law.provisions import Amount, ClockKind, StartsAt
from routing.life.changing import Change
from routing.life.tables import Clock, Task

OPEN = ("running", "breached")
"""States of clocks whose duty is not done."""

OF_ASSISTING: tuple[ClockKind, ...] = ("contact", "sign", "accept", "return")
"""What an assisting unit is bound to by itself; the ticket's one completion limit binds it with the lead."""

_COMPLETION: tuple[ClockKind, ...] = ("complete", "redo")
_WINDOW = "return"
_OF_CENTRE = ("return_review", "result_review", "callback")


def start(
    change: Change,
    event: StartsAt,
    task: Task | None = None,
    *,
    only: tuple[ClockKind, ...] | None = None,
    at: datetime | None = None,
) -> list[Clock]:
    """Start the clocks that the law ties to `event`, for `task` (the unit's) or for the centre.

    `only`: of these kinds. Raises BeyondCalendar, and nothing has happened.
    """
    ticket = change.ticket
    started = clocks.started(
        change.jurisdiction,
        change.centre.calendar,
        at=at or change.at,
        starts=event,
        intent=ticket.intent,
        handling_class=ticket.handling_class,
        urgency=ticket.urgency,
    )
    return [_kept(change, one, task) for one in started if only is None or one.kind in only]


def start_citizens(change: Change) -> None:
    """Start the citizen's own clock, with the first dispatch; later ones leave it running (S10)."""
    ticket = change.ticket
    started = clocks.started(
        change.jurisdiction,
        change.centre.calendar,
        at=change.at,
        starts="dispatch",
        intent=ticket.intent,
        handling_class=ticket.handling_class,
        urgency=ticket.urgency,
    )
    if own := clocks.citizens_clock(started):
        _kept(change, own, None)


def resume_citizens(change: Change) -> None:
    """The citizen's clock runs on as if it had never ended: what was completed was not (S10)."""
    clock = next((one for one in reversed(change.clocks) if one.kind == "citizen"), None)
    if clock is None or clock.state not in ("met", "missed"):
        return
    clock.state = "running" if change.at <= clock.due_at else "breached"
    clock.ended_at = None
    look_again(change, clock)
    change.record("clock_reopened", name="clock citizen", after=clock.due_at.isoformat(), rule=clock.rule)


def start_given(change: Change, task: Task, kind: ClockKind, amount: Amount, *, rule: str, article: str) -> Clock:
    """Start a clock whose length a person has set, where the document leaves it to them (S6)."""
    calendar = change.centre.calendar
    given = clocks.StartedClock(
        kind, change.at, calendar.add(change.at, amount), amount, rule, article, "", "S6", calendar.version
    )
    return _kept(change, given, task)


def _kept(change: Change, started: clocks.StartedClock, task: Task | None) -> Clock:
    of_centre = started.kind in _OF_CENTRE or task is None
    clock = Clock(
        ticket_id=change.ticket.id,
        task_id=task.id if task else None,
        unit="" if of_centre or task is None else task.unit,
        kind=started.kind,
        state="running",
        started_at=started.started_at,
        due_at=started.due_at,
        amount=started.amount.value,
        amount_unit=started.amount.unit,
        steps=[],
        extended_times=0,
        rule=started.rule,
        article=started.article,
        ruling=started.ruling or "",
        calendar_version=started.calendar_version,
        warned=0.0,
        why="",
    )
    change.session.add(clock)
    change.clocks.append(clock)
    look_again(change, clock)
    change.record(
        "clock_started",
        name=f"clock {clock.kind}",
        after=clock.due_at.isoformat(),
        why=f"{clock.unit or '区指挥中心'} {clock.amount} {clock.amount_unit}",
        rule=clock.rule,
    )
    return clock


def open_clock(change: Change, kind: str, task: Task | None = None) -> Clock | None:
    """The clock of this kind whose duty is not done; `task` None: the centre's or the citizen's."""
    task_id = task.id if task else None
    mine = [one for one in change.clocks if one.kind == kind and one.state in OPEN]
    return next((one for one in reversed(mine) if task_id is None or one.task_id == task_id), None)


def completion(change: Change, task: Task) -> Clock | None:
    """The clock that limits completion for a task now, running or stopped: of a redo, where it is one."""
    return next(
        (
            one
            for one in reversed(change.clocks)
            if one.kind in _COMPLETION and one.task_id == task.id and one.state in (*OPEN, "stopped")
        ),
        None,
    )


def end(change: Change, clock: Clock | None, *, at: datetime | None = None, why: str = "") -> None:
    """The duty is done: met, or missed when it was done after the limit. None: there is no limit for it."""
    if clock is None:
        return
    done = at or change.at
    clock.state = "met" if done <= clock.due_at else "missed"
    clock.ended_at = done
    clock.next_look_at = None
    if why:
        clock.why = why
    change.record("clock_ended", name=f"clock {clock.kind}", after=clock.state, why=why, rule=clock.rule)


def cancel(change: Change, clock: Clock | None, why: str) -> None:
    """The duty is gone: the ticket left the unit, or the law exempts from it. None: there was none."""
    if clock is None:
        return
    clock.state = "cancelled"
    clock.ended_at = change.at
    clock.next_look_at = None
    clock.why = clock.why or why
    change.record("clock_ended", name=f"clock {clock.kind}", after="cancelled", why=why, rule=clock.rule)


def cancel_all(change: Change, task: Task | None, why: str) -> None:
    """End every clock of a task (None: of the whole ticket) whose duty is gone. What is over already stays missed."""
    for clock in change.clocks:
        if clock.state in (*OPEN, "stopped") and (task is None or clock.task_id == task.id):
            if clock.kind != _WINDOW and clock.state != "stopped" and change.at > clock.due_at:
                end(change, clock)
            else:
                cancel(change, clock, why)


def stop(change: Change, clock: Clock | None) -> None:
    """The unit has done its part; whether it was enough, the centre has yet to say."""
    if clock is None:
        return
    clock.state = "stopped"
    clock.ended_at = change.at
    clock.next_look_at = None
    change.record("clock_stopped", name=f"clock {clock.kind}", after=clock.due_at.isoformat(), rule=clock.rule)


def fulfil(change: Change, kind: str, task: Task, at: datetime) -> None:
    """The duty of this kind is done at `at`; while its clock stood still, as of the moment when it was stopped."""
    clock = next(
        (one for one in reversed(change.clocks) if (one.kind, one.task_id) == (kind, task.id)),
        None,
    )
    if clock is not None and clock.state == "stopped":
        settle(change, clock)
    elif clock is not None and clock.state in OPEN:
        end(change, clock, at=at)


def settle(change: Change, clock: Clock | None) -> bool | None:
    """What was stopped was enough: met or missed as of the moment when it was stopped. Gives whether it was late;
    None: there is no limit.
    """
    if clock is None or clock.ended_at is None:
        return None
    end(change, clock, at=clock.ended_at, why=clock.why)
    return clock.state == "missed"


def reopen(change: Change, clock: Clock | None) -> None:
    """It was not enough: what was left when the clock was stopped is left again (policy; the documents are silent)."""
    if clock is None or clock.ended_at is None:
        return
    step = clocks.Stopped(at=clock.ended_at, until=change.at)
    clock.steps = [*clock.steps, *clocks.as_json([step])]
    before = clock.due_at
    clock.due_at = clocks.due(change.centre.calendar, clock.started_at, amount_of(clock), steps_of(clock))
    clock.calendar_version = change.centre.calendar.version
    clock.ended_at = None
    clock.state = "running" if change.at <= clock.due_at else "breached"
    look_again(change, clock)
    change.record(
        "clock_reopened",
        name=f"clock {clock.kind}",
        before=before.isoformat(),
        after=clock.due_at.isoformat(),
        rule=clock.rule,
    )


def put_off(change: Change, clock: Clock, amount: Amount) -> None:
    """Grant an extension. The limit never becomes shorter. Raises BeyondCalendar."""
    clock.steps = [*clock.steps, *clocks.as_json([clocks.PutOff(amount=amount)])]
    clock.due_at = clocks.due(change.centre.calendar, clock.started_at, amount_of(clock), steps_of(clock))
    clock.calendar_version = change.centre.calendar.version
    clock.extended_times += 1
    if clock.state != "stopped":
        clock.state = "running" if change.at <= clock.due_at else "breached"
        clock.warned = 0.0
        look_again(change, clock)


def look_again(change: Change, clock: Clock) -> None:
    """Set when the watch looks at a clock next: at the first warning that is still to come, or at the limit."""
    if clock.kind == _WINDOW or clock.state != "running":
        clock.next_look_at = None
        return
    look = clocks.next_look(clock.started_at, clock.due_at, change.law.warn_at, clock.warned)
    clock.next_look_at = look[1] if look else None


def amount_of(clock: Clock) -> Amount:
    """The clock's amount as the law's."""
    return Amount.model_validate({"value": clock.amount, "unit": clock.amount_unit})


def steps_of(clock: Clock) -> list[clocks.Step]:
    """What moved the clock's limit."""
    return clocks.from_json(clock.steps)
