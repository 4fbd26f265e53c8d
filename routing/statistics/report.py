"""A period's report as tables: numbers, and names from the jurisdiction's catalogue. Nothing else can come in.

No table is made from a ticket's text, a number, a place or a name of a person; so no export can hold personal data
(YZ-26, invariant 10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from routing.centre import Centre
from routing.law.provisions import FigureId
from routing.linkage.figures import figures as linkage_figures
from routing.statistics.assessment import assessment
from routing.statistics.figures import WHOLE, By, Figures, figures
from routing.statistics.periods import Period
from routing.statistics.rates import Rate

Cell = str | int | float | None
"""A percentage is a float between 0 and 1 in a column of the kind `rate`."""

Kind = Literal["text", "number", "rate", "share"]
"""share: a part that may exceed 1, such as how much of their limits tickets used."""


@dataclass(frozen=True)
class Column:
    """A column's heading and what its cells are."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Table:
    """One sheet."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Report:
    """All tables of a period. `title` names the centre and the period."""

    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class _Figure:
    column: Column
    of: Callable[[Figures], Cell]


def _rate(of: Callable[[Figures], Rate]) -> Callable[[Figures], Cell]:
    return lambda one: of(one).value


def _number(name: str, of: Callable[[Figures], Cell]) -> _Figure:
    return _Figure(Column(name, "number"), of)


_FIGURES: dict[FigureId | str, tuple[_Figure, ...]] = {
    "calls": (_number("呼入量", lambda one: one.calls),),
    "accepted": (_number("受理量", lambda one: one.accepted),),
    "dispatched": (_number("转办量", lambda one: one.dispatched),),
    "direct_dispatched": (
        _number("直派工单数", lambda one: one.direct_dispatched),
        _number("其中直派网格", lambda one: one.direct_to_grid),
    ),
    "completed": (_number("办结量", lambda one: one.completed),),
    "completed_extended": (_number("延期办结量", lambda one: one.completed_extended),),
    "overdue_open": (_number("逾期未办结量", lambda one: one.overdue_open),),
    "on_time_rate": (
        _number("应办结量", lambda one: one.on_time.whole),
        _number("按时办结量", lambda one: one.on_time.part),
        _Figure(Column("按时办结率", "rate"), _rate(lambda one: one.on_time)),
    ),
    "timeliness": (_Figure(Column("平均用去办理时限", "share"), lambda one: one.timeliness),),
    "response_rate": (_Figure(Column("响应率", "rate"), _rate(lambda one: one.responded)),),
    "solved_rate": (_Figure(Column("解决率", "rate"), _rate(lambda one: one.solved)),),
    "satisfaction_rate": (
        _number("参评量", lambda one: one.satisfied.whole),
        _Figure(Column("满意率", "rate"), _rate(lambda one: one.satisfied)),
    ),
    "rated_satisfaction_rate": (
        _number("实际参评量", lambda one: one.satisfied_counted.whole),
        _Figure(Column("实际参评满意率", "rate"), _rate(lambda one: one.satisfied_counted)),
    ),
    "agent_satisfaction_rate": (_Figure(Column("话务服务满意率", "rate"), _rate(lambda one: one.agents_satisfied)),),
    "first_answer_rate": (
        _number("咨询量", lambda one: one.first_answers.whole),
        _Figure(Column("一次性解答率", "rate"), _rate(lambda one: one.first_answers)),
    ),
    "violations": (
        _number("认定违规", lambda one: one.violations),
        _number("通报批评", lambda one: one.criticisms),
    ),
}
"""Every figure, by the id that the jurisdictions' files use, as columns of a table."""

_OF: dict[By, str] = {"unit": "单位", "town": "属地", "matter": "事项"}
_NOT_OF: dict[By, tuple[str, ...]] = {
    "unit": ("calls",),
    "town": ("calls", "violations"),
    "matter": ("calls", "violations"),
}


async def report(centre: Centre, period: Period) -> Report:
    """Everything that is reported of a period: the whole, per unit, town and matter, the assessment."""
    tables = [await whole(centre, period)]
    for by in _OF:
        tables.append(await broken_down(centre, period, by))
    tables.append(await ranking(centre, period))
    return Report(f"{centre.jurisdiction.centre} {period.name}", tuple(tables))


async def whole(centre: Centre, period: Period) -> Table:
    """The figures of the whole, one in a row, beside those of the period before and of a year earlier (环比、同比)."""
    periods = (period, period.before(), period.a_year_earlier())
    of_periods = [(await figures(centre, one))[WHOLE] for one in periods]
    rows: list[tuple[Cell, ...]] = []
    for parts in _FIGURES.values():
        for part in parts:
            rows.append((part.column.name, *(_as_text(part.column, part.of(one)) for one in of_periods)))
    linkages = [await _police_linkages(centre, one) for one in periods]
    if linkages[0] is not None:
        rows.append(("与110联动次数", *(str(number) for number in linkages)))
    columns = (Column("指标", "text"), *(Column(one.name, "text") for one in periods))
    return Table("总体", columns, tuple(rows))


async def broken_down(centre: Centre, period: Period, by: By) -> Table:
    """The figures per unit, town or matter, a row each, in the order of the catalogue's ids."""
    parts = [part for name, its in _FIGURES.items() if name not in _NOT_OF[by] for part in its]
    rows = tuple(
        (_name(centre, by, key), *(part.of(one) for part in parts))
        for key, one in (await figures(centre, period, by=by)).items()
    )
    return Table(f"按{_OF[by]}", (Column(_OF[by], "text"), *(part.column for part in parts)), rows)


async def ranking(centre: Centre, period: Period, *, of: Literal["unit", "town"] = "unit") -> Table:
    """The places of units or towns with the indicators that made them."""
    standings = await assessment(centre, period, of=of)
    names = list(standings[0].indicators) if standings else []
    bonus = any(one.bonus is not None for one in standings)
    columns = [Column("名次", "number"), Column(_OF[of], "text"), *(Column(name, "rate") for name in names)]
    columns += [Column("得分（各指标平均）", "rate"), Column("认定违规", "number")]
    if bonus:
        columns += [Column("提前办结：未用时限", "share"), Column("同类事项下降", "rate")]
    rows: list[tuple[Cell, ...]] = []
    for one in standings:
        row: list[Cell] = [one.place, one.name, *one.indicators.values(), one.score, one.figures.violations]
        if one.bonus is not None:
            row += [one.bonus.limit_unused, one.bonus.matters_fallen.value]
        rows.append(tuple(row))
    return Table("考评排名", tuple(columns), tuple(rows))


def rows_as_text(table: Table) -> Sequence[Sequence[str]]:
    """The rows as people read them: percentages with two digits, a dash where there is nothing."""
    return [[_as_text(column, cell) for column, cell in zip(table.columns, row, strict=True)] for row in table.rows]


def _as_text(column: Column, cell: Cell) -> str:
    if cell is None:
        return "—"
    if column.kind in ("rate", "share"):
        return f"{float(cell):.2%}"
    return str(cell)


async def _police_linkages(centre: Centre, period: Period) -> int | None:
    """Linkages with 110 in the period; None where the document does not have them counted (QH-6)."""
    law = centre.jurisdiction.law_at(centre.now()).police_linkage
    if law is None or not law.counted:
        return None
    begin, end = period.bounds(centre.jurisdiction.zone)
    return (await linkage_figures(centre.db, begin, end)).with_line(law.line)


def _name(centre: Centre, by: By, key: str) -> str:
    field = {"unit": "functional_unit", "town": "territorial_unit", "matter": "matter"}[by]
    return centre.jurisdiction.name_of(field, key) if key else "（未定）"
