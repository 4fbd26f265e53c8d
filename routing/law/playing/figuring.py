"""What cases look at in the statistics, and the calls that are counted there."""

from __future__ import annotations

import uuid
from typing import Any

from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, check
from routing.statistics.figures import Figures, figures
from routing.statistics.periods import parsed
from routing.statistics.rates import Rate
from routing.storage import Call
from routing.tickets import Actor

_NAMES = {
    "呼入量": "calls",
    "受理量": "accepted",
    "转办量": "dispatched",
    "直派量": "direct_dispatched",
    "办结量": "completed",
    "延期办结量": "completed_extended",
    "逾期未办结量": "overdue_open",
    "按时办结率": "on_time",
    "响应率": "responded",
    "解决率": "solved",
    "满意率": "satisfied",
    "实际参评满意率": "satisfied_counted",
    "话务满意率": "agents_satisfied",
    "一次性解答率": "first_answers",
    "违规": "violations",
    "通报批评": "criticisms",
}


@act("来电")
async def calls(play: Play, actor: Actor, given: Given) -> None:
    """So many calls arrive; what the telephone side tells of them."""
    async with play.db.begin() as session:
        for _ in range(given.number("次数", 1)):
            session.add(Call(call_id=str(uuid.uuid4()), called_number="12345", arrived_at=play.at, state="ended"))


@check("统计")
async def statistics(play: Play, expected: Any) -> Any:
    """{期间: {按: 单位/事项/属地 or nothing, 谁: name, figures...}}; rates as 分子/分母 percent."""
    found = {}
    for period, wanted in expected.items():
        words = Given(wanted, play.jurisdiction)
        by = {"": None, "单位": "unit", "属地": "town", "事项": "matter"}[words.text("按")]
        who = words.text("谁")
        counted = await figures(play.centre, parsed(str(period)), by=by)  # type: ignore[arg-type]
        key = next((one.id for one in play.jurisdiction.units.values() if who in (one.name, one.short)), who)
        one = counted.get(key, Figures())
        found[period] = {
            name: words.any(name) if name in ("按", "谁") else _shown(getattr(one, _known(name))) for name in wanted
        }
    return found


def _known(name: str) -> str:
    if name not in _NAMES:
        raise CaseError(f"没有“{name}”这个指标（有：{'、'.join(_NAMES)}）")
    return _NAMES[name]


def _shown(value: Any) -> Any:
    return f"{value.part}/{value.whole} {value.percent()}" if isinstance(value, Rate) else value


@check("比率")
async def rates(play: Play, expected: Any) -> Any:
    """The formula by itself, for published figures: [{分子, 分母, 位数, 得}]."""
    return [{**one, "得": Rate(one["分子"], one["分母"]).percent(one.get("位数", 2))} for one in expected]
