"""Where it is: places of the gazetteer in what a caller said, with what they add to them (对面, 十二号, 旁边).

First the spelling as it stands; where the recogniser wrote another character of the same sound, the syllables
without tones, with less confidence. A place that the caller takes back (不是水南，是海棠) does not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pypinyin import lazy_pinyin

from routing.jurisdiction import Jurisdiction, Place
from routing.reading.spoken import Heard, Phrases, of_caller, plain
from routing.reading.spoken_numbers import COUNT


@dataclass(frozen=True)
class PlaceHeard:
    """A place: `value` as said (with the gazetteer's name where the sound was written otherwise), `place` the entry
    that decides the territorial unit; None when no entry was named. `words` are the spoken words.
    """

    value: str
    place: Place | None
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class _Mention:
    """One name of the gazetteer in a text; `written` is what belongs into the ticket."""

    start: int
    end: int
    place: Place
    written: str
    confidence: float


@dataclass(frozen=True)
class _Phrase:
    """A place with all that belongs to it, in one utterance."""

    place: Place | None
    value: str
    words: str
    confidence: float
    denied: bool
    instead: bool
    own_home: bool


_EXACT, _IN_CONTEXT, _BY_SOUND, _BY_SHORT_SOUND, _FROM_CUE = 0.9, 0.8, 0.7, 0.55, 0.4
_KIND_WORTH = {"generic": 0.45, "district": 0.5, "road": 0.8}
"""A district or a school alone says little; the other kinds are worth what their recognition is worth."""
_MOST_SPECIFIC = ("village", "community", "facility", "area", "big_community", "road", "district", "generic")

_BEFORE = re.compile(r"(?:在|住|到|来|去|从|往|我们|我家|地址|位于|于|就|是)$")
_BEFORE_SOUND = re.compile(r"(?:在|住|到|位于)$")
_AFTER = re.compile(
    r"^(?:大社区|社区|村|这边|那边|这里|那里|这儿|那儿|附近|路口|小区|市场|门口|居委会|这一带|那一带|旁边|对面)"
)

_FACILITY = (
    r"(?:(?:老|新|大|小)?(?:小区|花园|公寓|家园|宿舍|别墅|工地|农贸市场|菜市场|市场|超市|商场|酒店|宾馆|民宿|饭店|餐厅|学校|小学|中学|"
    r"幼儿园|医院|卫生院|卫生室|诊所|派出所|村委会|居委会|十字路口|丁字路口|三岔路口|红绿灯路口|路口|码头|渔港|广场|公园|停车场|加油站|"
    r"养殖场|工厂|厂房|酒吧|烧烤摊|海鲜店|水果店|网吧|药店|理发店|文化室|篮球场|戏台|大榕树|桥头|桥(?![塌断下])|祠堂|教堂|海边|河边|"
    r"江边|路边|路段|主干道|街(?!灯)|巷子|巷口|村口|村道|村头|村尾|村里|公交站|车站|银行|邮局|公厕|垃圾站|快递站|营业厅|"
    r"(?<=[\u4e00-\u9fff])路(?![灯面口边段上人费况过烂塌断很都太])))"
)
_NUMBERED = rf"(?:第?{COUNT}(?:号楼|号院|号|栋|幢|座|楼|单元|室|巷|村民小组|小组|组|队|街|弄|期|区|米处))"
_DIRECTION = (
    r"(?:门口|门前|大门|对面|旁边|附近|前面|后面|里面|外面|东边|西边|南边|北边|楼上|楼下|隔壁|中间|"
    r"交叉口|交界处|一带|方向|入口|出口)"
)
_DETAIL = rf"(?:(?:的|那个|这个|那边的?|这边的?)?(?:{_FACILITY}|{_NUMBERED}|{_DIRECTION}))"
_TAIL = re.compile(rf"(?:民?委会|社区|大社区|村(?![委民里口道头尾]))?{_DETAIL}*")
# No token here may be made of two others: 就在 beside 就 and 在 would cost exponential time on a stutter.
_ONLY_DETAIL = re.compile(rf"^(?:嗯|啊|哦|呃|它|就|是|在|对|那个)*({_DETAIL}+)(?:吧|呢|啊|那里|这里|这边|那边)*$")
_CHAINED = re.compile(r"^(?:的|这边的?|那边的?|这里的?|那里的?)?$")
_CUED = re.compile(
    r"(?:地址(?:是|在)|位于|住在|我在|我们在|是在|就在)"
    rf"((?:(?!的|我|你|他|这|那|是|在|有|家)[\u4e00-\u9fff]){{2,6}}?(?:路|街|大道|巷|小区|花园|公寓|市场|学校|村|社区|酒店|广场){_DETAIL}*)"
)

_DENIES = re.compile(r"(?:(?<!是)不是|不在|没在|并非)(?:在|说|去)?(?:那个|这个)?$")
_INSTEAD = re.compile(r"(?:不对|错了|说错|搞错|更正|改成|应该是|应该在)[^，。,.]{0,6}$")
_ONLY_DENIAL = re.compile(r"^(?:嗯|啊|哦)*(?:不对|不是|错了|说错了|不是的|不是这里|不是那里)+(?:啊|呀|哦)*$")
_OWN_HOME = re.compile(r"(?:我住|我家|我是|我家在|我住在|家住|户口在|老家)(?:在)?$")


def place_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> PlaceHeard | None:
    """The place of the matter, or None. What the caller corrected wins, then what says most, then what came first."""
    heard_places: list[tuple[Heard, _Phrase]] = []
    denied_before = False
    last_detail: tuple[Heard, str] | None = None
    for heard in of_caller(utterances):
        text = plain(heard.text)
        phrases = phrases_in(jurisdiction, text)
        taken_back = {phrase.place.name for phrase in phrases if phrase.denied and phrase.place}
        if taken_back:
            heard_places = [(h, p) for h, p in heard_places if not (p.place and p.place.name in taken_back)]
        for phrase in phrases:
            if not phrase.denied:
                instead = phrase.instead or bool(taken_back) or denied_before
                heard_places.append((heard, replace(phrase, instead=instead)))
        detail = _ONLY_DETAIL.match(text)
        if detail and not any(p.place and p.place.kind != "generic" for p in phrases):
            last_detail = (heard, detail.group(1))
        denied_before = bool(_ONLY_DENIAL.match(text))
    if not heard_places:
        return None
    best_heard, best = _best(heard_places)
    found = PlaceHeard(
        value=best.value,
        place=best.place,
        words=(best.words,),
        utterances=(best_heard.number,),
        confidence=best.confidence,
    )
    if last_detail and last_detail[0].number != best_heard.number and not found.value.endswith(last_detail[1]):
        return replace(
            found,
            value=found.value + last_detail[1].removeprefix("的"),
            words=(*found.words, last_detail[1]),
            utterances=(*found.utterances, last_detail[0].number),
        )
    return found


def _best(heard_places: list[tuple[Heard, _Phrase]]) -> tuple[Heard, _Phrase]:
    corrected = [(heard, phrase) for heard, phrase in heard_places if phrase.instead]
    if corrected:
        return corrected[-1]

    def worth(candidate: tuple[Heard, _Phrase]) -> float:
        phrase = candidate[1]
        has_unit = phrase.place is not None and phrase.place.unit is not None
        return phrase.confidence + (0.1 if has_unit else 0) - (0.2 if phrase.own_home else 0)

    # max() keeps the first of equals: a caller names the place of the matter before other places.
    return max(heard_places, key=worth)


@lru_cache(maxsize=4096)
def phrases_in(jurisdiction: Jurisdiction, text: str) -> tuple[_Phrase, ...]:
    """All place phrases of one plain text, from left to right."""
    mentions = _mentions(jurisdiction, text)
    phrases: list[_Phrase] = []
    position = 0
    while position < len(mentions):
        chain = [mentions[position]]
        end = _tail_end(text, chain[0])
        while position + 1 < len(mentions):
            following = mentions[position + 1]
            if following.start >= end and not _CHAINED.match(text[end : following.start]):
                break
            chain.append(following)
            end = max(end, _tail_end(text, following))
            position += 1
        phrases.append(_phrase(text, chain, end))
        position += 1
    if not phrases:
        phrases = [
            _Phrase(None, match.group(1), match.group(1), _FROM_CUE, denied=False, instead=False, own_home=False)
            for match in _CUED.finditer(text)
        ]
    return tuple(phrases)


def _phrase(text: str, chain: list[_Mention], end: int) -> _Phrase:
    deciding = min(chain, key=lambda mention: (mention.place.unit is None, _MOST_SPECIFIC.index(mention.place.kind)))
    start = chain[0].start
    value, position = "", start
    for mention in chain:
        if mention.start >= position:
            value += text[position : mention.start] + mention.written
            position = mention.end
    value += text[position:end]
    before = text[:start]
    return _Phrase(
        place=deciding.place,
        value=value.rstrip("的"),
        words=text[start:end].rstrip("的"),
        confidence=deciding.confidence,
        denied=bool(_DENIES.search(before)),
        instead=bool(_INSTEAD.search(before)),
        own_home=bool(_OWN_HOME.search(before)),
    )


def _tail_end(text: str, mention: _Mention) -> int:
    match = _TAIL.match(text, mention.end)
    return match.end() if match else mention.end


@dataclass(frozen=True)
class _Gazetteer:
    exact: Phrases[tuple[Place, bool]]
    by_first_syllable: dict[str, tuple[tuple[tuple[str, ...], Place, str], ...]]


@lru_cache(maxsize=8)
def _gazetteer(jurisdiction: Jurisdiction) -> _Gazetteer:
    entries: list[tuple[str, tuple[Place, bool]]] = []
    sounds: dict[str, list[tuple[tuple[str, ...], Place, str]]] = {}
    for place in jurisdiction.places:
        for spelling in (place.name, *place.also):
            entries.append((spelling, (place, False)))
            if place.kind != "generic":
                syllables = _syllables(spelling)
                sounds.setdefault(syllables[0], []).append((syllables, place, spelling))
        entries.extend((spelling, (place, True)) for spelling in place.in_context)
    longest_first = {first: tuple(sorted(those, key=lambda entry: -len(entry[0]))) for first, those in sounds.items()}
    return _Gazetteer(Phrases(entries), longest_first)


def _syllables(text: str) -> tuple[str, ...]:
    """One entry a character, so that positions are the text's; what is no Chinese character stands for itself."""
    return tuple(lazy_pinyin(text, errors=_one_by_one))


def _one_by_one(characters: str) -> Any:
    # pypinyin takes a list here (one entry a character), though its annotation says str.
    return list(characters)


def _mentions(jurisdiction: Jurisdiction, text: str) -> list[_Mention]:
    gazetteer = _gazetteer(jurisdiction)
    mentions: list[_Mention] = []
    for found in gazetteer.exact.find(text):
        place, needs_context = found.payloads[0]
        if needs_context and not _in_context(text, found.start, found.end, mentions):
            continue
        recognised = _IN_CONTEXT if needs_context else _EXACT
        worth = min(recognised, _KIND_WORTH.get(place.kind, recognised))
        mentions.append(_Mention(found.start, found.end, place, found.phrase, worth))
    taken = [(mention.start, mention.end) for mention in mentions if mention.place.kind != "generic"]
    sounds = _syllables(text)
    for start, first in enumerate(sounds):
        for syllables, place, spelling in gazetteer.by_first_syllable.get(first, ()):
            end = start + len(syllables)
            if sounds[start:end] != syllables or any(start < to and since < end for since, to in taken):
                continue
            if len(syllables) == 2 and not (_BEFORE_SOUND.search(text[:start]) or _AFTER.match(text[end:])):
                continue
            worth = _BY_SHORT_SOUND if len(syllables) == 2 else _BY_SOUND
            mentions = [m for m in mentions if not (start < m.end and m.start < end)]
            mentions.append(_Mention(start, end, place, spelling, worth))
            taken.append((start, end))
            break
    return sorted(mentions, key=lambda mention: mention.start)


def _in_context(text: str, start: int, end: int, before: list[_Mention]) -> bool:
    follows_a_place = any(mention.end == start for mention in before)
    return follows_a_place or bool(_BEFORE.search(text[:start]) or _AFTER.match(text[end:]))
