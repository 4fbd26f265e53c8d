"""Which clocks an event starts, and how a limit moves: put off, stopped and reopened, or replaced by another law.

All of it is a function of what happened and of a calendar: a limit is remembered as the event that began it, its
amount, and the steps that moved it since. The same three with another calendar give the new limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, TypeAdapter

from routing.jurisdiction import Jurisdiction
from routing.law.calendar import Calendar
from routing.law.provisions import Amount, ClockKind, Limit, OtherLaw, StartsAt

Kind = ClockKind | Literal["citizen"]
"""citizen: the citizen's own clock: the first dispatch's completion limit, whoever handles the ticket later (S10)."""


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PutOff(_Step):
    """The limit was extended (延期)."""

    step: Literal["put_off"] = "put_off"
    amount: Amount


class Stopped(_Step):
    """The duty lay with somebody else between `at` and `until`: a result was submitted, and rejected."""

    step: Literal["stopped"] = "stopped"
    at: datetime
    until: datetime


Step = PutOff | Stopped

_STEPS: TypeAdapter[list[PutOff | Stopped]] = TypeAdapter(list[Annotated[PutOff | Stopped, Discriminator("step")]])


@dataclass(frozen=True)
class StartedClock:
    """A limit that begins to run. Times are UTC; `ruling` names the ruling that made it (S4, C2, ...), or is None."""

    kind: Kind
    started_at: datetime
    due_at: datetime
    amount: Amount
    rule: str
    article: str
    phrase: str
    ruling: str | None
    calendar_version: str


class NotStricter(Exception):
    """Another law's limit is longer than the regulation's, and only a stricter one replaces it."""


def started(
    jurisdiction: Jurisdiction,
    calendar: Calendar,
    *,
    at: datetime,
    starts: StartsAt,
    intent: str,
    handling_class: str,
    urgency: str,
    on: date | None = None,
) -> list[StartedClock]:
    """The clocks that an event of the kind `starts` at `at` begins for such a ticket, in the order of the file.

    `on`: the day whose law holds; default: the event's own. Raises BeyondCalendar.
    """
    day = on or calendar.day_of(at)
    return [
        start(limit, limit.limit, calendar, at)
        for limit in limits(jurisdiction, day, starts, intent, handling_class, urgency)
        if limit.limit is not None
    ]


def start(limit: Limit, amount: Amount, calendar: Calendar, at: datetime) -> StartedClock:
    """The clock of one limit; `amount` is its own, or what was set each time where the document leaves it open (S6).

    Raises BeyondCalendar.
    """
    return StartedClock(
        kind=limit.clock,
        started_at=at.astimezone(UTC),
        due_at=calendar.add(at, amount),
        amount=amount,
        rule=limit.rule,
        article=limit.article,
        phrase=limit.phrase,
        ruling=limit.ruling,
        calendar_version=calendar.version,
    )


def limits(
    jurisdiction: Jurisdiction, day: date, starts: StartsAt, intent: str, handling_class: str, urgency: str
) -> list[Limit]:
    """The limits in force on `day` for such a ticket; also duties without a number (第一时间)."""
    return [
        limit
        for limit in jurisdiction.law.on(day).limits
        if limit.starts == starts and limit.applies.covers(intent, handling_class, urgency)
    ]


def citizens_clock(clocks: Sequence[StartedClock]) -> StartedClock | None:
    """The citizen's own clock of a first dispatch that started `clocks`; None when nothing limits completion."""
    complete = next((clock for clock in clocks if clock.kind == "complete"), None)
    return replace(complete, kind="citizen", ruling="S10") if complete else None


def due(calendar: Calendar, started_at: datetime, amount: Amount, steps: Sequence[Step] = ()) -> datetime:
    """When a limit is over that began at `started_at` and was moved by `steps` since (UTC). Raises BeyondCalendar."""
    over = calendar.add(started_at, amount)
    for step in steps:
        match step:
            case PutOff():
                over = max(over, calendar.put_off(over, step.amount))
            case Stopped():
                over = _reopened(calendar, over, step.at, step.until, amount)
    return over


def _reopened(calendar: Calendar, over: datetime, at: datetime, until: datetime, amount: Amount) -> datetime:
    """A pause gives back what it took, and never more. A limit that was over by then stays over.

    A limit in working days gains the whole working days of the pause: ten minutes around midnight are none. Where the
    rest of its last day ran out in the pause, that rest is left again, on a day on which people work.
    """
    if at >= over or until <= at:
        return over
    if amount.unit != "working_day":
        return over + (until - at)
    moved = calendar.later(over, calendar.working_time(at, until) // timedelta(days=1))
    return moved if moved > until else calendar.from_working_day(until) + (over - at)


def as_json(steps: Sequence[Step]) -> list[dict[str, object]]:
    """Steps as the database keeps them."""
    kept: list[dict[str, object]] = [step.model_dump(mode="json") for step in steps]
    return kept


def from_json(kept: Sequence[dict[str, object]]) -> list[Step]:
    """Steps as they were kept. Raises pydantic.ValidationError for anything else."""
    return list(_STEPS.validate_python(kept))


def by_other_law(
    calendar: Calendar, provision: OtherLaw, clock: StartedClock, amount: Amount, basis: str
) -> StartedClock:
    """The clock with another law's limit (法律法规另有规定的，从其规定). `basis` names that law and its article.

    Raises NotStricter where only a stricter limit replaces the regulation's; BeyondCalendar.
    """
    over = calendar.add(clock.started_at, amount)
    if provision.direction == "stricter_only" and over > clock.due_at:
        raise NotStricter
    return replace(clock, due_at=over, amount=amount, rule=provision.rule, article=basis, ruling=None)


def looks(started_at: datetime, due_at: datetime, warn_at: Sequence[float]) -> list[tuple[float, datetime]]:
    """When the watch has to look: each fraction of the limit with its moment, and 1.0 with the limit itself."""
    length = due_at - started_at
    return [(fraction, started_at + fraction * length) for fraction in sorted(warn_at)] + [(1.0, due_at)]


def next_look(
    started_at: datetime, due_at: datetime, warn_at: Sequence[float], warned: float
) -> tuple[float, datetime] | None:
    """The first look that has not been told yet; `warned` is the highest fraction that has. None: all told."""
    return next((look for look in looks(started_at, due_at, warn_at) if look[0] > warned), None)
