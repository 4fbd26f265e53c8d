"""What happened and what the caller wants done: the event and the demand, in the caller's own words.

Greetings and announcements (你好我想反映一下) are left out. Where a recogniser sets no punctuation one utterance is
one clause; a demand inside it is cut off from the event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import Jurisdiction
from routing.reading.matter_words import danger_words, matter_words
from routing.reading.places import phrases_in
from routing.reading.spoken import GAP, Heard, clauses, of_caller, plain, readable


@dataclass(frozen=True)
class StatementHeard:
    """A statement as the ticket holds it; the words that marked it; the utterances it was taken from."""

    value: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class _Clause:
    said: Heard
    event: str
    demand: str
    cue: str
    weight: float
    words: tuple[str, ...]


MAX_CHARACTERS = 300
"""A summary that is longer than this is none; the transcript has the rest."""

_MAX_CLAUSES = 4
_SMALL_WORDS = 4
_FILLER = (
    r"喂(?![狗猫猪鸡养流])|你好|您好|哎|诶|嗯|啊|呀|呃|哦|那个|这个|就是|是这样|这样|是的|对(?![面方门于着不])|好的|不好意思|打扰了?|你们好|大家好|"
    rf"话务员|同志|美女|请问(?:一下)?|请教(?:一下)?|(?:12345|十?[一二三四五]{{3,5}})?(?:市民|政府)?热线|{GAP}"
)
_GREETING = re.compile(rf"^(?:{_FILLER})+")
_BYE = r"谢谢(?:你们?|您)?|再见|拜拜|辛苦了"
_CLOSING = re.compile(rf"(?:{_BYE}|麻烦(?:你们?|您)?了|好吗|行吗|可以吗|好不好|[吧呢啊呀哈吗])+$")
_CLOSING_IN_DEMAND = re.compile(rf"(?:{_BYE}|[啊呀哈])+$")
_LOOSE_END = re.compile(r"(?:但是|所以|然后|而且|还有|就是|因为|那|我们?|你们?)+$")
_WANTS = r"(?:我们?|本人)?(?:是)?(?:想要|想|要|来|打电话)?(?:来|跟你们?|向你们?|跟您|向您)?"
_AFTER_LEAD = r"(?:一下|下)?(?:一个|一件|个|件)?(?:问题|事情|情况|事)?(?:就是|是|关于|说)?"

_QUESTION = re.compile(
    r"需要什么|要什么(?:材料|手续|条件)|是什么|怎么(?:办|弄|申请|处理|查|交|报|才|收)|什么(?:材料|手续|条件|流程|时候能办)|去哪里?|在哪里?|"
    r"多少钱?(?!人|年|天|次)|几点|能不能办|可不可以办|有没有(?:补贴|政策|规定)|电话号?码?是?多少"
)
_DEMAND = re.compile(
    r"要求|希望|请求|恳请|(?<![很太真添找])麻烦(?:你们?|您|政府|帮|尽快|处理|派|来|安排|给|一下)|"
    r"请(?:你们|您|相关|政府|有关|帮|尽快|安排|派|处理|来|协调|给|马上|赶紧|督促|求)|能不能|可不可以|能否|可否|能帮|帮我们?(?![^，。,.]{0,6}了)|帮忙|帮帮|"
    r"尽快|赶紧|(?:赶快|马上|快点)(?:来|派|处理|修|过来|解决|恢复)|什么时候(?!开始的)|多久(?:能|可以|才)|派人|派个人|过来(?:看|处理|修)|"
    r"(?:来)?(?:处理|解决|修)一下|建议|应该(?:增加|安装|加强|取消)|我们?要(?:退|赔|求|报)|讨个说法|给个说法|给个答复"
)
_NOTHING = re.compile(
    r"^(?:没有|没了|好的?|是的?|对的?|嗯|行|可以|不用了?|不是|没错|确认|知道了|明白|[\d零一二三四五六七八九幺两十])*$"
)
_ABOUT_CALLER = re.compile(
    r"^(?:我|我们|免贵)?(?:姓|叫|的(?:电话|手机|号码|名字)|住|电话|手机)|^(?:电话|手机|号码|联系方式|地址|姓名|名字)|匿名|保密"
)


def event_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> StatementHeard | None:
    """What happened: the clauses that speak of a matter or of danger, else the first that says anything."""
    parts = [part for heard in of_caller(utterances) for part in _clauses_of(heard, jurisdiction)]
    telling = [part for part in parts if part.event and part.weight > 0]
    if telling:
        # The heaviest few, told in the order in which they were said.
        chosen = sorted(telling, key=lambda part: -part.weight)[:_MAX_CLAUSES]
        ordered = _without_repetition([part for part in telling if part in chosen])
        confidence = 0.8 if max(part.weight for part in ordered) >= 1 else 0.6
    else:
        ordered = [part for part in parts if len(part.event) >= 4][:1]
        confidence = 0.4
    if not ordered:
        return None
    words = tuple(dict.fromkeys(word for part in ordered for word in part.words))
    return StatementHeard(
        "；".join(part.event for part in ordered)[:MAX_CHARACTERS],
        words or tuple(piece for part in ordered for piece in part.event.split("…")),
        tuple(dict.fromkeys(part.said.number for part in ordered)),
        confidence,
    )


def demand_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> StatementHeard | None:
    """What the caller wants done or wants to know: the last two different demands at most."""
    asked: dict[str, _Clause] = {}
    for heard in of_caller(utterances):
        for part in _clauses_of(heard, jurisdiction):
            if part.demand:
                asked.pop(part.demand, None)
                asked[part.demand] = part
    if not asked:
        return None
    chosen = list(asked.values())[-2:]
    return StatementHeard(
        "；".join(part.demand for part in chosen)[:MAX_CHARACTERS],
        tuple(dict.fromkeys(part.cue for part in chosen)),
        tuple(dict.fromkeys(part.said.number for part in chosen)),
        0.8,
    )


def _without_repetition(parts: list[_Clause]) -> list[_Clause]:
    """Callers repeat themselves: a clause that is inside another one adds nothing."""
    kept: list[_Clause] = []
    for part in parts:
        if any(part.event in other.event for other in kept):
            continue
        kept = [other for other in kept if other.event not in part.event]
        kept.append(part)
    return kept


@lru_cache(maxsize=4096)
def _clauses_of(heard: Heard, jurisdiction: Jurisdiction) -> tuple[_Clause, ...]:
    return tuple(
        clause for text in clauses(plain(heard.text)) if (clause := _clause(heard, text, jurisdiction)) is not None
    )


def _clause(heard: Heard, text: str, jurisdiction: Jurisdiction) -> _Clause | None:
    told = _without_ceremony(text, jurisdiction)
    if not told or _NOTHING.match(told):
        return None
    event, demand, cue = told, "", ""
    if question := _QUESTION.search(told):
        # A question is asked as a whole: what it is about and what is wanted of it are one clause.
        demand, cue = told, question.group()
        event = told if matter_words(jurisdiction, told) else ""
    elif asked := _DEMAND.search(told):
        event, demand, cue = told[: asked.start()], told[asked.start() :], asked.group()
        if len(event) < 2 and (matter_words(jurisdiction, told) or danger_words(jurisdiction, told)):
            # "尽快清运垃圾": the demand is the only place where the matter is named.
            event = told
    found = matter_words(jurisdiction, event)
    dangers = danger_words(jurisdiction, event)
    names_matter = any(not word.is_hint for one in found for word in one.payloads) or bool(dangers)
    if not names_matter and (_ABOUT_CALLER.search(event) or _is_only_a_place(event, jurisdiction)):
        event = ""
    weight = 0.0
    if event:
        weight = sum(0.3 if all(word.is_hint for word in one.payloads) else 1.0 for one in found)
        weight += sum(danger.weight for danger in dangers)
    words = tuple(dict.fromkeys([*(one.phrase for one in found), *(danger.phrase for danger in dangers)]))
    return _Clause(
        heard,
        readable(_LOOSE_END.sub("", _CLOSING.sub("", event))),
        readable(_CLOSING_IN_DEMAND.sub("", demand)),
        cue,
        weight,
        words,
    )


def _is_only_a_place(text: str, jurisdiction: Jurisdiction) -> bool:
    """Whether a clause answers "where": a correction of the place, or the place and a few small words."""
    phrases = phrases_in(jurisdiction, text)
    if any(phrase.denied or phrase.instead for phrase in phrases):
        return True
    return bool(phrases) and len(text) - sum(len(phrase.words) for phrase in phrases) <= _SMALL_WORDS


def _without_ceremony(text: str, jurisdiction: Jurisdiction) -> str:
    opening, ending = _leads(jurisdiction)
    for _ in range(3):
        shorter = opening.sub("", _GREETING.sub("", text))
        if shorter == text:
            break
        text = shorter
    text = _CLOSING_IN_DEMAND.sub("", text)
    return ending.sub("", text).strip(GAP)


@lru_cache(maxsize=8)
def _leads(jurisdiction: Jurisdiction) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What announces a matter at the beginning (我想反映一下) and after it (我要投诉)."""
    leads = sorted({lead for intent in jurisdiction.intents for lead in intent.leads}, key=len, reverse=True)
    if not leads:
        return re.compile(r"(?!)"), re.compile(r"(?!)")
    any_lead = "|".join(map(re.escape, leads))
    return (
        re.compile(rf"^{_WANTS}(?:{any_lead}){_AFTER_LEAD}"),
        re.compile(rf"(?:我们?|本人)(?:就是|是)?(?:想要|想|要|来)(?:{any_lead})(?:一下|他们?|你们)?$"),
    )
