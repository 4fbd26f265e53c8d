"""The clocks of a ticket: started by events, ended by what units and the centre do, moved by decisions.

A clock that runs is somebody's duty, and the watch looks at it (`next_look_at`). The return clock is no duty but a
window: nobody misses it, so the watch never looks at it.
"""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from routing.law import clocks
from routing.law.provisions import Amount, ClockKind, StartsAt
from routing.life.changing import Change
from routing.life.tables import Clock, Task

OPEN = ("running", "breached")
"""States of clocks whose duty is not done."""

OF_ASSISTING: tuple[ClockKind, ...] = ("contact", "sign", "accept", "return")
"""What an assisting unit is bound to by itself; the ticket's one completion limit binds it with the lead."""

COMPLETION: tuple[ClockKind, ...] = ("complete", "redo")

BUT_COMPLETION = tuple(kind for kind in get_args(ClockKind) if kind not in COMPLETION)
"""Everything that a dispatch starts for a lead whose completion limit is there already."""

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
    """The citizen's clock runs on as if it had never ended: what was completed, or merged, was not (S10)."""
    clock = next((one for one in reversed(change.clocks) if one.kind == "citizen"), None)
    if clock is None or clock.state not in ("met", "missed", "cancelled"):
        return
    clock.state = "running" if change.at <= clock.due_at else "breached"
    clock.ended_at = None
    clock.why = ""
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


def go_on(change: Change, task: Task) -> bool:
    """Give a lead that has just got a ticket the completion limit that is there already; False: there is none.

    Where the centre took the ticket back from this unit, its own limit goes on with the time that was left (S10
    speaks of a new unit). Another law's limit is one of the matter, so that whoever is next has it too, from now.
    """
    law, ticket = change.law, change.ticket
    before = next((one for one in reversed(change.tasks) if one.role == task.role and one.id != task.id), None)
    clock = _last_completion(change, before) if before else None
    if before is None or clock is None:
        return False
    by_law = next(
        (
            limit.limit
            for limit in clocks.limits(
                change.jurisdiction,
                change.centre.calendar.day_of(change.at),
                "dispatch",
                ticket.intent,
                ticket.handling_class,
                ticket.urgency,
            )
            if limit.clock == "complete"
        ),
        None,
    )
    other = is_of_other_law(change, clock)
    its_own = before.unit == task.unit and before.state == "withdrawn"
    if its_own and (clock.kind == "redo" or other or by_law == amount_of(clock)):
        clock.task_id = task.id
        clock.why = "" if clock.state == "cancelled" else clock.why
        reopen(change, clock)
        return True
    if not other or law.other_law is None or clock.kind != "complete":
        return False
    if not law.other_law.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency):
        return False
    calendar, amount = change.centre.calendar, amount_of(clock)
    due_at = calendar.add(change.at, amount)
    if law.other_law.direction == "stricter_only" and by_law and due_at > calendar.add(change.at, by_law):
        return False
    started = clocks.StartedClock(
        "complete", change.at, due_at, amount, clock.rule, clock.article, "", None, calendar.version
    )
    _kept(change, started, task)
    return True


def _last_completion(change: Change, task: Task) -> Clock | None:
    return next((one for one in reversed(change.clocks) if one.kind in COMPLETION and one.task_id == task.id), None)


def is_of_other_law(change: Change, clock: Clock) -> bool:
    """Whether another law set this limit: the article is none of the document's, neither of now nor of then."""
    other = change.law.other_law
    then = change.jurisdiction.law_at(clock.started_at)
    by_regulation = {limit.article for law in (change.law, then) for limit in law.limits}
    return other is not None and clock.rule == other.rule and clock.article not in by_regulation


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
            if one.kind in COMPLETION and one.task_id == task.id and one.state in (*OPEN, "stopped")
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


def cancel_all(change: Change, task: Task | None, why: str, *, as_of: datetime | None = None) -> None:
    """End every clock of a task (None: of the whole ticket) whose duty is gone. What is over already stays missed.

    `as_of`: what was not over then is not missed; default: now. A stopped clock is judged by when it was stopped.
    """
    for clock in change.clocks:
        if clock.state not in (*OPEN, "stopped") or (task is not None and clock.task_id != task.id):
            continue
        until = clock.ended_at if clock.state == "stopped" and clock.ended_at else as_of or change.at
        if clock.kind != _WINDOW and until > clock.due_at:
            end(change, clock, at=until, why=clock.why)
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


def fulfil(change: Change, kind: str, task: Task) -> None:
    """The duty of this kind is done, for whatever reasons it was asked for: after the dispatch, under supervision."""
    for clock in change.clocks:
        if (clock.kind, clock.task_id) == (kind, task.id) and clock.state in OPEN:
            end(change, clock)


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
