"""The figures of a period: counted in the database, for the whole jurisdiction or per unit, town or matter.

No document defines them; these are the definitions (docs/decisions), the same for every jurisdiction:

  呼入量        calls that arrived in the period
  受理量        tickets accepted in it; of a unit: those of its own field (the functional unit of the matter)
  转办量        tickets first dispatched in it; of a unit: its own tasks, lead and assisting
  办结量        tickets completed in it; 延期办结量 those of them that had been extended
  逾期未办结量   tickets whose completion limit was over at the end of the period (at most: now) and the duty not done
  按时办结率     of the tickets whose limit fell into the period (应办结): those completed within it
  办理及时性     the part of their limits that the tickets completed in the period had used up
  响应率        of the tasks dispatched in the period that a unit answered or should have: those answered in time
  解决率        of the citizens who were called back in the period and could say: those whose matter was solved
  满意率        of the results rated (a ticket's last rating counts): those rated satisfied
  实际参评满意率  the same without the ratings that an exclusion takes out (QH-3b)
  一次性解答率   of the consults accepted: those answered on the spot, without a dispatch (YZ-29)

A limit belongs to the period in which it ends, and a result that waits for its review is neither in time nor overdue
yet. So the figures of a period that is over change only by what becomes of its own tickets. The figures of units need
not add up to those of the whole: one call may bring several tickets, one ticket several units (C7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, case, extract, func, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from routing.centre import Centre
from routing.law.law import Law
from routing.life.tables import Callback, Clock, Rating, Task, ViolationRecord
from routing.statistics.periods import Period
from routing.statistics.rates import NOTHING, Rate
from routing.storage import Call, Ticket
from routing.watch.tables import LATE

By = Literal["unit", "town", "matter"]
"""What figures are broken down by. town: the territorial unit (属地)."""

CONSULT = "consult"
WHOLE = ""
"""The key of the whole; in a breakdown, of what belongs to no unit, town or matter."""

_AT_ONCE = 3
"""Queries under way at a time: each reads other rows; a few connections are left for those who answer calls."""

_COMPLETION = ("complete", "redo")
_RESPONSE = ("contact", "sign", "accept")
_RATED = ("result", "agent")


@dataclass(frozen=True)
class Figures:
    """The figures of one unit, town or matter, or of the whole."""

    calls: int = 0
    accepted: int = 0
    dispatched: int = 0
    direct_dispatched: int = 0
    direct_to_grid: int = 0
    """Of those: to the territorial unit (群防群治); the others went to a functional unit (QH-4b)."""
    completed: int = 0
    completed_extended: int = 0
    overdue_open: int = 0
    on_time: Rate = NOTHING
    used_hours: float = 0.0
    allowed_hours: float = 0.0
    responded: Rate = NOTHING
    solved: Rate = NOTHING
    satisfied: Rate = NOTHING
    satisfied_counted: Rate = NOTHING
    """实际参评: without the excluded ratings"""
    agents_satisfied: Rate = NOTHING
    first_answers: Rate = NOTHING
    violations: int = 0
    criticisms: int = 0

    @property
    def timeliness(self) -> float | None:
        """How much of their limits completed tickets used: 0.5 is half, over 1 is late; None: nothing was limited."""
        return self.used_hours / self.allowed_hours if self.allowed_hours else None


async def figures(
    centre: Centre, period: Period, *, by: By | None = None, without: frozenset[str] = frozenset()
) -> dict[str, Figures]:
    """The figures of `period`, by the id of each unit, town or matter that has any; without `by`, of the whole.

    Calls are counted for the whole only: a call belongs to no unit. `without`: ids of tickets that a granted appeal
    takes out of an assessment (QH-3a); what is published counts them.
    """
    begin, end = period.bounds(centre.jurisdiction.zone)
    now = centre.now()
    law = centre.jurisdiction.law.on(min(period.after - timedelta(days=1), centre.calendar.day_of(now)))
    window = _Window(centre.jurisdiction.id, begin, end, min(end, now), by, law, without)
    found: dict[str, dict[str, Any]] = {}
    queries = _queries(window)

    async def read() -> None:
        async with centre.db.session() as session:
            for query in queries:  # each taken by whoever is free
                for row in (await session.execute(query)).mappings():
                    values = dict(row)
                    found.setdefault(values.pop("of") or WHOLE, {}).update(values)

    await asyncio.gather(*(read() for _ in range(_AT_ONCE)))
    if by is None:
        found.setdefault(WHOLE, {})
    return {of: _figures(values) for of, values in sorted(found.items())}


@dataclass(frozen=True)
class _Window:
    jurisdiction: str
    begin: datetime
    end: datetime
    as_of: datetime
    by: By | None
    law: Law
    without: frozenset[str]

    def within(self, moment: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        return and_(moment >= self.begin, moment < self.end)

    def grouped(self, query: Select[Any], of: InstrumentedAttribute[str], **counts: ColumnElement[Any]) -> Select[Any]:
        """`query` of joins and conditions with the counts as columns, per value of what is broken down by."""
        columns = [count.label(name) for name, count in counts.items()]
        if self.by is None:
            return query.add_columns(literal_column("''").label("of"), *columns)
        column = {"unit": of, "town": Ticket.territorial_unit, "matter": Ticket.matter}[self.by]
        return query.add_columns(column.label("of"), *columns).group_by(column)


def _queries(window: _Window) -> Iterator[Select[Any]]:
    """One query for each kind of event that is counted; each reads by the index of that event's time."""
    yield _accepted(window)
    yield _tasks(window) if window.by == "unit" else _dispatched(window)
    yield _completed(window)
    yield _due(window)
    yield _overdue_open(window)
    yield _overdue_unseen(window)
    yield _responded(window)
    yield _solved(window)
    if window.law.satisfaction is not None:
        for what in _RATED:
            yield _rated(window, what, window.law.satisfaction.satisfied)
    if window.by is None:
        yield _calls(window)
    if window.by in (None, "unit"):
        yield _violations(window)
        yield _criticisms(window)


def _accepted(window: _Window) -> Select[Any]:
    consult = Ticket.intent == CONSULT
    on_the_spot = and_(consult, Ticket.completed_at.is_not(None), Ticket.dispatched_at.is_(None))
    query = _of_tickets(window).where(window.within(Ticket.accepted_at), Ticket.state.not_in(("refused", "referred")))
    return window.grouped(
        query,
        Ticket.functional_unit,
        accepted=func.count(),
        consults=_count(consult),
        first_answers=_count(on_the_spot),
    )


def _dispatched(window: _Window) -> Select[Any]:
    query = _of_tickets(window).where(window.within(Ticket.dispatched_at))
    return window.grouped(
        query,
        Ticket.lead_unit,
        dispatched=func.count(),
        direct_dispatched=_count(Ticket.direct),
        direct_to_grid=_count(and_(Ticket.direct, Ticket.lead_unit == Ticket.territorial_unit)),
    )


def _tasks(window: _Window) -> Select[Any]:
    query = _of_tickets(window).join(Task, Task.ticket_id == Ticket.id).where(window.within(Task.dispatched_at))
    direct = and_(Ticket.direct, Task.round == 1)
    return window.grouped(
        query,
        Task.unit,
        dispatched=func.count(),
        direct_dispatched=_count(direct),
        direct_to_grid=_count(and_(direct, Task.unit == Ticket.territorial_unit)),
    )


def _completed(window: _Window) -> Select[Any]:
    limited = and_(Ticket.dispatched_at.is_not(None), Ticket.due_at.is_not(None))
    query = _of_tickets(window).where(window.within(Ticket.completed_at))
    return window.grouped(
        query,
        Ticket.lead_unit,
        completed=func.count(),
        completed_extended=_count(Ticket.extensions > 0),
        used_seconds=func.sum(case((limited, _seconds(Ticket.dispatched_at, Ticket.completed_at)), else_=0)),
        allowed_seconds=func.sum(case((limited, _seconds(Ticket.dispatched_at, Ticket.due_at)), else_=0)),
    )


def _due(window: _Window) -> Select[Any]:
    overdue = select(Clock.ticket_id).where(
        Clock.kind.in_(_COMPLETION), LATE, Clock.state == "breached", window.within(Clock.due_at)
    )
    unseen = select(Clock.ticket_id).where(
        Clock.kind.in_(_COMPLETION), _unseen(window), window.within(Clock.due_at), Clock.due_at < window.as_of
    )
    query = _of_tickets(window).where(
        window.within(Ticket.due_at),
        Ticket.due_at <= window.as_of,
        Ticket.dispatched_at.is_not(None),
        Ticket.state != "merged",
    )
    return window.grouped(
        query,
        Ticket.lead_unit,
        due=_count(or_(Ticket.late.is_not(None), Ticket.id.in_(overdue), Ticket.id.in_(unseen))),
        in_time=_count(Ticket.late.is_(False)),
    )


def _overdue_open(window: _Window) -> Select[Any]:
    query = _limited_tickets(window).where(LATE, or_(Clock.ended_at.is_(None), Clock.ended_at >= window.as_of))
    return window.grouped(query, Clock.unit, overdue_seen=func.count(Ticket.id.distinct()))


def _overdue_unseen(window: _Window) -> Select[Any]:
    query = _limited_tickets(window).where(_unseen(window))
    return window.grouped(query, Clock.unit, overdue_unseen=func.count(Ticket.id.distinct()))


def _unseen(window: _Window) -> ColumnElement[bool]:
    """Of clocks that are over: those that the watch has not come by yet, and that run on."""
    return and_(Clock.state == "running", Clock.next_look_at <= window.as_of)


def _limited_tickets(window: _Window) -> Select[Any]:
    query = _of_tickets(window).join(Clock, Clock.ticket_id == Ticket.id)
    return query.where(Clock.kind.in_(_COMPLETION), Clock.due_at < window.as_of)


def _responded(window: _Window) -> Select[Any]:
    too_late = Task.id.in_(
        select(Clock.task_id).where(
            Clock.kind.in_(_RESPONSE), LATE, Clock.due_at >= window.begin, Clock.task_id.is_not(None)
        )
    )
    answered = or_(Task.contacted_at.is_not(None), Task.accepted_at.is_not(None))
    query = _of_tickets(window).join(Task, Task.ticket_id == Ticket.id).where(window.within(Task.dispatched_at))
    return window.grouped(
        query, Task.unit, answerable=_count(or_(answered, too_late)), answered=_count(and_(answered, ~too_late))
    )


def _solved(window: _Window) -> Select[Any]:
    later = aliased(Callback)
    again = select(later.id).where(later.ticket_id == Callback.ticket_id, later.solved != "", later.id > Callback.id)
    query = (
        _of_tickets(window)
        .join(Callback, Callback.ticket_id == Ticket.id)
        .where(window.within(Callback.at), Callback.solved != "", ~again.exists())
    )
    return window.grouped(query, Ticket.lead_unit, asked=func.count(), solved=_count(Callback.solved == "solved"))


def _rated(window: _Window, what: str, satisfied: tuple[str, ...]) -> Select[Any]:
    later = aliased(Rating)
    again = select(later.id).where(
        later.ticket_id == Rating.ticket_id, later.object == Rating.object, later.round > Rating.round
    )
    query = (
        _of_tickets(window)
        .join(Rating, Rating.ticket_id == Ticket.id)
        .where(window.within(Rating.at), Rating.object == what, ~again.exists())
    )
    well, counted = Rating.level.in_(satisfied), Rating.exclusion == ""
    counts = {
        f"{what}_rated": func.count(),
        f"{what}_satisfied": _count(well),
        f"{what}_counted": _count(counted),
        f"{what}_satisfied_counted": _count(and_(well, counted)),
    }
    return window.grouped(query, Ticket.lead_unit, **counts)


def _calls(window: _Window) -> Select[Any]:
    query: Select[Any] = select().select_from(Call).where(window.within(Call.arrived_at))
    return window.grouped(query, Ticket.lead_unit, calls=func.count())


def _violations(window: _Window) -> Select[Any]:
    query: Select[Any] = select().select_from(ViolationRecord)
    query = query.where(window.within(ViolationRecord.at), ViolationRecord.state == "confirmed")
    return window.grouped(query, ViolationRecord.unit, violations=func.count())


def _criticisms(window: _Window) -> Select[Any]:
    query: Select[Any] = select().select_from(ViolationRecord).where(window.within(ViolationRecord.criticised_at))
    return window.grouped(query, ViolationRecord.unit, criticisms=func.count())


def _of_tickets(window: _Window) -> Select[Any]:
    query: Select[Any] = select().select_from(Ticket).where(Ticket.jurisdiction == window.jurisdiction)
    return query.where(Ticket.id.not_in(sorted(window.without))) if window.without else query


def _count(condition: ColumnElement[bool] | InstrumentedAttribute[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _seconds(begin: Any, end: Any) -> ColumnElement[Any]:
    return extract("epoch", end) - extract("epoch", begin)


def _figures(values: dict[str, Any]) -> Figures:
    def number(name: str) -> int:
        return int(values.get(name) or 0)

    return Figures(
        calls=number("calls"),
        accepted=number("accepted"),
        dispatched=number("dispatched"),
        direct_dispatched=number("direct_dispatched"),
        direct_to_grid=number("direct_to_grid"),
        completed=number("completed"),
        completed_extended=number("completed_extended"),
        overdue_open=number("overdue_seen") + number("overdue_unseen"),
        on_time=Rate(number("in_time"), number("due")),
        used_hours=float(values.get("used_seconds") or 0) / 3600,
        allowed_hours=float(values.get("allowed_seconds") or 0) / 3600,
        responded=Rate(number("answered"), number("answerable")),
        solved=Rate(number("solved"), number("asked")),
        satisfied=Rate(number("result_satisfied"), number("result_rated")),
        satisfied_counted=Rate(number("result_satisfied_counted"), number("result_counted")),
        agents_satisfied=Rate(number("agent_satisfied"), number("agent_rated")),
        first_answers=Rate(number("first_answers"), number("consults")),
        violations=number("violations"),
        criticisms=number("criticisms"),
    )
