"""Readable text: what was recognised, as an agent reads it at a glance.

Spoken numbers become digits where they are numbers (三百五十块 is 350块, telephone numbers with 幺, house numbers)
and stay where they are names or vague (三公里村, 五一路, 两三天, 一下). Punctuation comes from pauses and from what a
clause asks. What was not recognised is shown as a gap. Every piece knows its words, so nothing is lost.

A library that does it (cn2an) was tried on the same sentences: it knows neither names nor vague numbers and writes
1下子, 3322, 51路, 3亚市, and 23天 for 两三天.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from routing.jurisdiction import Jurisdiction
from routing.reading.spoken import GAP, Phrases, plain
from routing.reading.spoken_numbers import DIGITS, count, digit


@dataclass(frozen=True)
class SpokenWord:
    """A recognised word; `start` and `end` in seconds of the leg's audio, None where the recogniser gave no times."""

    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class WrittenPiece:
    """A stretch of readable text, made of the words from `first` up to and without `last`; `gap`: not recognised."""

    text: str
    first: int
    last: int
    gap: bool = False


@dataclass(frozen=True)
class Written:
    """An utterance as it is read; the texts of `pieces` joined are `text`."""

    text: str
    pieces: tuple[WrittenPiece, ...]


SHOWN_GAP = "…"
_COMMA_PAUSE = 0.35
"""Seconds: within a clause Chinese speech seldom pauses as long (a stop consonant's silence is under 0.15)."""
_SHORTEST_CLAUSE = 4

_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万亿幺]+")
_NUMBER_BEFORE = re.compile(r"[零一二两三四五六七八九十百千万](?:点)?$")
_READ_OUT = re.compile(r"(?:号码?|电话|手机|尾号|编号)是?$")
_ONLY_DIGITS = re.compile(r"[零〇一二三四五六七八九幺]+")
_VAGUE = re.compile(r"一二|一两|二三|两三|三四|三五|四五|五六|六七|七八|八九")
"""Two digits side by side before a measure are about so many, not a number."""

_EXACT_UNITS = (
    "号|月|日|楼|层|栋|幢|座|单元|室|巷|弄|组|队|期|路公交|路车|岁|公里|千米|厘米|毫米|米|平方|平米|亩|吨|公斤|斤|克|升|度|级|折|"
    "小时|个小时|分钟|秒|块|元|毛|角|点|时|分|刻|周岁|寸|马力|千瓦|兆|瓦|伏|页|倍|折|成(?!为|了|立|功)"
)
"""Before these a single digit is a number as well; before other measures (个, 家, 次, 天) a word reads better."""
_AFTER_ONE = re.compile(
    r"(?:号|月|日|楼|单元|室|巷|弄|岁|公里|千米|厘米|米|斤|公斤|吨|亩|折|元|块钱|块[一二三四五六七八九]|点半|点[一二三四五十]|点多?钟)"
)
"""After 一 only these make it a number: 一层灰, 一块来, 一点小事 and 一组人 are none."""
_MEASURE = re.compile(
    rf"(?:{_EXACT_UNITS}|[个位家户人次条件张只头辆台部间套份批车趟天年周本名把根桶袋箱瓶桌场道扇棵株盏支双对万千百多几来余%]|多|以上|以下|左右)"
)
_UNIT = re.compile(_EXACT_UNITS)
_DECIMAL = re.compile(rf"点([零〇一二三四五六七八九]+)(?![分点刻])(?={_EXACT_UNITS}|[万亿%倍])")
_HOUSE = re.compile(r"(?:号楼|栋|幢|座|单元|楼|室|号|房)")
_DAYTIME = re.compile(r"(?:早上|上午|中午|下午|晚上|夜里|半夜|凌晨|傍晚|清晨|今晚|昨晚|明晚|早晨|大概|到|点)$")

_WORDS = Path(__file__).with_name("words_with_numerals.txt").read_text("utf-8").split()
"""Words in which a numeral is none. Longer ones win."""

_QUESTION = re.compile(
    r"(?:吗|么|呢|什么|怎么|怎样|怎么样|多少|哪里|哪儿|哪个|哪天|几点|几号|能不能|可不可以|是不是|有没有|行不行|好不好|要不要|谁|为什么|为啥|何时|能否|可否|多久|啥)"
)
_NO_QUESTION = re.compile(r"(?:不知道|不晓得|不管|没什么|什么都|什么也|怎么都|怎么也|有什么事|无论|随便).{0,12}$")
_TURN = re.compile(
    r"(?:但是|可是|不过|所以|因为|而且|然后|另外|还有就是|还有一个|还有|结果|如果|要求|希望|麻烦(?:你|您|帮|尽快)|请你们|请问)"
)
_TURN_OF_ONE = re.compile(r"(?:你好|您好|喂)$")


def written(words: Sequence[SpokenWord], jurisdiction: Jurisdiction, *, finished: bool = True) -> Written:
    """The readable form of an utterance; `finished`: it ends with a full stop or a question mark.

    Pure; takes time in proportion to the text; raises nothing for any words.
    """
    texts = [GAP if plain(word.text) == GAP else plain(word.text).replace(GAP, "") for word in words]
    text = "".join(texts)
    owner = [number for number, one in enumerate(texts) for _ in one]
    changes = list(_changes(text, jurisdiction))
    stops = _stops(words, texts, changes, owner, finished=finished)
    return _assembled(text, texts, owner, changes, stops)


@dataclass(frozen=True)
class _Change:
    """Characters from `start` to `end` are written as `text`."""

    start: int
    end: int
    text: str


def _assembled(
    text: str, texts: Sequence[str], owner: Sequence[int], changes: Sequence[_Change], stops: dict[int, str]
) -> Written:
    """Words that a change joins are one piece; a word alone is one."""
    begins: list[int] = []
    position = 0
    for one in texts:
        begins.append(position)
        position += len(one)
    begins.append(position)
    pieces: list[WrittenPiece] = []
    pending = iter(changes)
    change = next(pending, None)
    number = 0
    while number < len(texts):
        last = number + 1
        shown = ""
        at = begins[number]
        while at < begins[last]:
            if change is not None and change.start == at:
                shown += change.text
                at = change.end
                last = max(last, owner[at - 1] + 1)
                change = next(pending, None)
            else:
                shown += text[at]
                at += 1
        gap = texts[number] == GAP
        shown = SHOWN_GAP if gap else shown
        if pieces and _latin(pieces[-1].text[-1:]) and _latin(shown[:1]):
            shown = " " + shown  # numbers and Latin words that were said one after the other are not one
        if shown or stops.get(last - 1):
            pieces.append(WrittenPiece(shown + stops.get(last - 1, ""), number, last, gap))
        number = last
    return Written("".join(piece.text for piece in pieces), tuple(pieces))


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


# Numbers


def _changes(text: str, jurisdiction: Jurisdiction) -> Iterator[_Change]:
    """What is written otherwise, from left to right, not overlapping."""
    protected = [
        (one.start, one.end)
        for one in _names(jurisdiction).find(text)
        # 四十分钟 and 八点十分 hold no 十分.
        if not (_NUMERAL.match(one.phrase) and _NUMBER_BEFORE.search(text[max(0, one.start - 2) : one.start]))
        # Nor does a number that is read out hold 七七八八.
        and not (_NUMERAL.fullmatch(one.phrase) and _READ_OUT.search(text[max(0, one.start - 4) : one.start]))
        and not (_NUMERAL.fullmatch(one.phrase) and _NUMERAL.match(text[one.end : one.end + 1]))
    ]
    reach, guard = 0, 0
    for match in _NUMERAL.finditer(text):
        start, end = match.span()
        while guard < len(protected) and protected[guard][1] <= start:
            guard += 1
        blocked = [span for span in protected[guard : guard + len(match.group())] if span[0] < end]
        for first, last in _free(start, end, blocked):
            if first >= reach and (change := _change(text, first, last)):
                reach = change.end
                yield change


def _free(start: int, end: int, blocked: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of a stretch that no name holds."""
    for first, last in blocked:
        if start < first:
            yield start, first
        start = max(start, last)
    if start < end:
        yield start, end


def _change(text: str, start: int, end: int) -> _Change | None:
    said, before, after = text[start:end], text[max(0, start - 6) : start], text[end : end + 6]
    if before.endswith("百分之") and (number := count(said)) is not None:
        return _Change(start - 3, end, f"{number}%")
    if _ONLY_DIGITS.fullmatch(said) and len(said) >= 3:
        # Read out one by one: telephone numbers, rooms, years, plates; and the lines 110, 119, 12345.
        return _Change(start, end, _read_out(said))
    if "幺" in said:
        return _Change(start, end, _read_out(said))
    if before.endswith("块") and len(said) == 2 and said[1] == "一":
        return _Change(start, end - 1, _read_out(said[0]))  # 三块五一斤
    if _VAGUE.fullmatch(said):
        if said in ("二三", "三四", "五六") and _HOUSE.match(after) and _HOUSE.search(before):
            return _Change(start, end, _read_out(said))
        return None
    if len(said) > 2 and _VAGUE.search(said):
        return None  # 十五六个, 二三十人, 三四百块
    if len(said) == 2 and _ONLY_DIGITS.fullmatch(said):
        known = _HOUSE.match(after) or re.match(r"年(?!级)|路(?:公交|车|巴士)", after)
        return _Change(start, end, _read_out(said)) if known else None
    if len(said) == 1:
        return _single(said, start, end, before, after)
    number = count(said)
    while number is None and len(said) > 2:
        # 一千二一个月: the number ends where the next word begins.
        said, after = said[:-1], said[-1] + after
        end -= 1
        number = count(said)
    if number is None:
        return None
    if decimal := _DECIMAL.match(after):
        return _Change(start, end + decimal.end(), f"{number}.{_read_out(decimal.group(1))}")
    if said.endswith("万") and number % 10_000 == 0 and number >= 10_000:
        return _Change(start, end, f"{number // 10_000}万")
    if said.endswith("亿"):
        return _Change(start, end, f"{number // 100_000_000}亿")
    if after.startswith("几"):
        return None
    return _Change(start, end, str(number))


def _read_out(said: str) -> str:
    return "".join(digit(one) or one for one in said)


def _single(said: str, start: int, end: int, before: str, after: str) -> _Change | None:
    if said == "十":
        exact = _UNIT.match(after) or (before.endswith("点") and after.startswith("分"))
        return _Change(start, end, "10") if exact and not before.endswith("几") else None
    if said not in DIGITS or said in "俩":
        return None
    if before.endswith(("几", "好", "第", "每")) and not (
        before.endswith("第") and after.startswith(("号", "栋", "单元"))
    ):
        return None
    if decimal := _DECIMAL.match(after):
        return _Change(start, end + decimal.end(), f"{DIGITS[said]}.{_read_out(decimal.group(1))}")
    if said == "一":
        counted = _AFTER_ONE.match(after) or (after.startswith("点") and _DAYTIME.search(before))
        if not counted or (after.startswith("点") and not _is_clock(before, after)):
            return None
        return _Change(start, end, "1")
    if said == "两":
        return _Change(start, end, "2") if after.startswith("点") and _is_clock(before, after) else None
    if after.startswith("点") and not _is_clock(before, after):
        return None
    if said == "零":
        return None
    return _Change(start, end, str(DIGITS[said])) if _UNIT.match(after) or before.endswith("块") else None


def _is_clock(before: str, after: str) -> bool:
    """点 is the hour: 早上八点, 八点半, 八点多; not 三点建议, 一点办法."""
    if re.match(
        r"点(?:半|多|钟|左右|的时候|前|后|到|开始|才|就|了|还|以前|以后|之前|之后|整|过|[零一二三四五六七八九十]+(?:分|刻)?)",
        after,
    ):
        return True
    return after == "点" or _DAYTIME.search(before) is not None


# Punctuation


def _stops(
    words: Sequence[SpokenWord],
    texts: Sequence[str],
    changes: Sequence[_Change],
    owner: Sequence[int],
    *,
    finished: bool,
) -> dict[int, str]:
    """What stands behind which word. No mark stands inside a number or beside a gap."""
    inside = {number for change in changes for number in range(owner[change.start], owner[change.end - 1])}
    marks: dict[int, str] = {}
    clause = ""
    for number, one in enumerate(texts[:-1]):
        clause += one
        if number in inside or GAP in (one, texts[number + 1]) or not one:
            continue
        following = "".join(texts[number + 1 : number + 5])
        turn = _TURN.match(following)
        if _pause(words[number], words[number + 1]) >= _COMMA_PAUSE:
            enough = len(clause) >= 2
        else:
            enough = turn is not None and len(clause) >= _SHORTEST_CLAUSE and not _TURN.search(clause[-3:])
        if enough or (_TURN_OF_ONE.search(clause) and len(clause) <= 3 and len(following) > 1):
            marks[number] = "，"
            clause = ""
    spoken = [number for number, one in enumerate(texts) if one]
    if finished and spoken and texts[spoken[-1]] != GAP:
        clause += texts[spoken[-1]]
        asks = _QUESTION.search(clause) and not _NO_QUESTION.search(clause)
        marks[spoken[-1]] = "？" if asks else "。"
    return marks


def _pause(one: SpokenWord, following: SpokenWord) -> float:
    if one.end is None or following.start is None:
        return 0.0
    return following.start - one.end


@lru_cache(maxsize=8)
def _names(jurisdiction: Jurisdiction) -> Phrases[None]:
    """Names and words with a numeral in them that is none: of places, of units, of matters, of the language."""
    named = {word for place in jurisdiction.places for word in (place.name, *place.also, *place.in_context)}
    for unit in jurisdiction.units.values():
        named.update((unit.name, unit.short, *unit.words))
    for matter in jurisdiction.matters:
        named.update(matter.words)
    return Phrases((word, None) for word in sorted(named | set(_WORDS)) if _NUMERAL.search(word))
