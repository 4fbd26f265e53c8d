"""The supervisor's page of linkages: today, the month, what failed, how the rehearsals went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from desk import confidential, wording
from desk.linkage import wording as words
from desk.state import Desk
from ivr.events import now
from routing.linkage import figures, reading, rehearsals
from routing.linkage.figures import Figures, LineFigures
from routing.linkage.reading import LinkageView
from routing.storage import Call
from routing.tickets import Actor

_LISTED = 200


@dataclass(frozen=True)
class LinkageRow:
    """One linkage in the list. `failed`: lines that were not reached."""

    call_id: str
    time: str
    caller: str
    source: str
    asked_by: str
    lines: str
    failed: str
    wait: str
    duration: str
    agents: str
    duty: str
    rebuilt: bool
    active: bool


@dataclass(frozen=True)
class StandingRow:
    """One line and its rehearsals."""

    line: str
    name: str
    standing: str
    label: str
    rehearsed: str
    worked: str
    number: str
    problem: str


@dataclass(frozen=True)
class LineRow:
    """One line's figures of the month, with its attempts in words."""

    figures: LineFigures
    attempts: str


@dataclass(frozen=True)
class Overview:
    """The page."""

    month: str
    today: Figures
    in_month: Figures
    with_110: int
    with_110_today: int
    lines: list[LineRow]
    standings: list[StandingRow]
    rows: list[LinkageRow]
    more: bool
    failed_today: int


async def overview(desk: Desk, month: str, reader: Actor) -> Overview:
    """The page for a month such as 2026-11 as `reader` sees it; empty: the present one. Raises HTTPBadRequest."""
    at = now()
    text = month or at.astimezone(desk.timezone).strftime("%Y-%m")
    try:
        since, until = figures.month_of(text, desk.timezone)
    except ValueError as problem:
        raise web.HTTPBadRequest(text=f"month: “{text[:20]}”不是月份，请写成 2026-11 这样") from problem
    in_month = await figures.figures(desk.database, since, until)
    today = await figures.figures(desk.database, figures.day_of(at, desk.timezone), at)
    found_here = await reading.linkages(desk.database, since, until, _LISTED)
    calls = await confidential.called(desk.database, [call for _, call in found_here], reader)
    listed = [(view, call) for (view, _), call in zip(found_here, calls, strict=True)]
    configured = desk.settings.lines.emergency_lines
    names = {line.line: line.name for line in configured}
    found = await rehearsals.standings(desk.database, configured, desk.linkage.rehearsal.stale_hours, at)
    return Overview(
        month=text,
        today=today,
        in_month=in_month,
        with_110=in_month.with_line("110"),
        with_110_today=today.with_line("110"),
        lines=[
            LineRow(
                one,
                "、".join(f"{words.OUTCOMES.get(name, name)} {count}" for name, count in one.outcomes.items()),
            )
            for one in in_month.lines
        ],
        standings=[
            StandingRow(
                line=one.line,
                name=names[one.line],
                standing=one.standing,
                label=words.STANDINGS[one.standing],
                rehearsed=_moment(desk, one.newest.at if one.newest else None),
                worked=_moment(desk, one.worked_at),
                number=_number(one),
                problem=one.newest.detail if one.newest and one.standing == "failed" else "",
            )
            for one in found
        ],
        rows=[_row(desk, view, call) for view, call in listed],
        more=len(listed) == _LISTED,
        failed_today=sum(line.exhausted for line in today.lines),
    )


def _row(desk: Desk, view: LinkageView, call: Call) -> LinkageRow:
    row = view.row
    agents = dict.fromkeys(stay.name for stay in view.stays if stay.party == "agent")
    over = row.ended_at or now()
    return LinkageRow(
        call_id=row.call_id,
        time=wording.day_and_clock(row.asked_at, desk.timezone),
        caller=call.caller_number or "号码未显示",
        source=call.source,
        asked_by=words.ASKED_BY.get(row.by, row.by),
        lines="、".join(line.row.line for line in view.lines),
        failed="、".join(line.row.line for line in view.lines if line.row.answered_at is None and not view.active),
        wait=_seconds(view),
        duration=wording.duration((over - row.asked_at).total_seconds()),
        agents="、".join(desk.agent_name(name) for name in agents),
        duty=(row.accepted_by + ("（职责不清）" if row.duty == "unclear" else "")) if row.duty else "",
        rebuilt=row.rebuilt,
        active=view.active,
    )


def _seconds(view: LinkageView) -> str:
    answered = [line.answer_seconds for line in view.lines if line.answer_seconds is not None]
    return f"{min(answered):.0f} 秒" if answered else ""


def _moment(desk: Desk, at: datetime | None) -> str:
    return wording.day_and_clock(at, desk.timezone)


def _number(one: rehearsals.LineStanding) -> str:
    if one.newest is None:
        return ""
    if one.newest.number == rehearsals.ECHO:
        return "仅本机回声"  # no test number: the carrier's line itself has not been tried
    return f"{one.newest.number}（{one.newest.trunk}）" if one.newest.trunk else one.newest.number
