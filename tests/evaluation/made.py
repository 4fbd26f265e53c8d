"""Calls with labels made for these tests, and readers that are right or wrong on purpose."""

from __future__ import annotations

from typing import Any

from evaluation.cases import Case
from evaluation.marks import Answer

LAMP = {
    "id": "made-1",
    "said": "昨天晚上水南村三组路灯不亮另外隔壁烧烤太吵我姓符电话幺三八零零幺二三四五六希望来修不要讲是我说的",
    "scope": "accept",
    "place": {"unit": "yz.cun.shuinan", "words": "水南村三组"},
    "time": "2026-11-20 夜间",
    "person": "姓符",
    "wishes": ["identity"],
    "callback_number": "13800123456",
    "demand": ["修"],
    "event": ["路灯", "不亮"],
    "matters": [
        {"matter": ["street_lamp"], "intent": "help", "urgency": "normal", "units": ["yz.zhujian", "yz.zonghe"]},
        {"matter": ["noise", "restaurant_smoke"], "intent": ["complaint", "report"], "urgency": "normal"},
    ],
}
FIRE = {
    "id": "made-2",
    "said": [{"agent": "您好"}, {"caller": "海棠那边棚子烧起来了里面有人"}],
    "scope": "transfer_emergency",
    "lines": ["119", "120"],
    "place": {"unit": None, "words": "海棠"},
    "ask_place": True,
    "event": ["棚子"],
    "matters": [{"matter": ["fire"], "intent": "help", "urgency": ["guide", "emergency"], "units": ["yz.yingji"]}],
}
COURT = {"id": "made-3", "said": "法院判了我不服", "scope": "refuse", "refuse_ground": "YZ-12-1"}
NOTHING = {"id": "made-4", "said": "喂", "scope": "clarify"}
BRIBE = {
    "id": "made-5",
    "said": "有个副局长收红包",
    "scope": "accept",
    "matters": [{"matter": ["party_discipline"], "intent": "report", "urgency": "normal", "units": ["yz.jiwei"]}],
}
CASES = tuple(Case.model_validate(one) for one in (LAMP, FIRE, COURT, NOTHING, BRIBE))


def nothing_told() -> dict[str, Any]:
    """The account of a call in which nothing was understood."""
    return {
        "scope": "",
        "refuse_ground": None,
        "line": None,
        "lines": [],
        "place": None,
        "time": None,
        "persons": [],
        "callback_number": None,
        "demand": None,
        "matters": [],
    }


def right(case: Case) -> Answer:
    """What a reader without a mistake answers."""
    told = nothing_told()
    told["scope"] = case.scope[0]
    told["refuse_ground"] = case.refuse_ground[0] if case.refuse_ground else None
    told["lines"] = list(case.lines)
    if case.place:
        ask = ["海棠村", "海棠区"] if case.ask_place else []
        told["place"] = {"unit": case.place.unit, "value": case.place.words[0], "ask": ask}
    if case.time:
        told["time"] = {"value": case.time[0], "words": []}
    if case.person or case.wishes:
        told["persons"] = [{"value": "".join(case.person[:1]), "wishes": list(case.wishes)}]
    told["callback_number"] = case.callback_number or None
    told["demand"] = {"value": "，".join(case.demand)} if case.demand else None
    told["matters"] = [
        {"matter": one.matter[0], "intent": one.intent[0], "urgency": one.urgency[0], "units": list(one.units)}
        for one in case.matters
    ]
    ranked = case.matters[0].matter[:1] if case.matters else ()
    return Answer(told, ranked, "，".join(case.event))


def wrong(case: Case) -> Answer:
    """What a reader answers that is never right: another value where there is one, one where there is none."""
    told = {
        **nothing_told(),
        "scope": "transfer_114",
        "refuse_ground": "YZ-12-9",
        "lines": ["122"],
        "place": {"unit": "yz.cun.sangeng", "value": "三更村", "ask": [] if case.ask_place else ["三更村", "三更"]},
        "time": {"value": "2025-01-01", "words": ["元旦"]},
        "persons": [{"value": "王小明", "wishes": ["content"]}],
        "callback_number": "00000",
        "demand": {"value": "别的"},
        "matters": [
            {"matter": one, "intent": "praise", "urgency": "none", "units": ["yz.renda"]}
            for one in ("weather", "books", "films")
        ],
    }
    return Answer(told, ("weather", "books", "films"), "别的")
