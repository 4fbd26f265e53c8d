"""When it was: spoken times resolved against the time of the call, in the jurisdiction's timezone.

"昨天晚上" becomes "2026-11-20 夜间", "两天了" becomes "2026-11-19 起". What cannot be resolved (很久, 每天) is
kept as said: a made-up date would be worse. What says most wins over what says less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from routing.reading.spoken import Heard, of_caller, plain
from routing.reading.spoken_numbers import COUNT, count, digit


@dataclass(frozen=True)
class TimeHeard:
    """`value` as the ticket holds it, the words as they were said."""

    value: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class _Reading:
    start: int
    words: str
    value: str
    worth: float
    denied: bool


_DAYS = {"大前天": -3, "前天": -2, "前日": -2, "昨天": -1, "昨日": -1, "今天": 0, "今日": 0, "明天": 1, "后天": 2}
_SHORT_DAYS = {"前": -2, "昨": -1, "今": 0, "明": 1}
_PARTS = {
    "凌晨": "凌晨",
    "清晨": "早上",
    "早晨": "早上",
    "大清早": "早上",
    "一大早": "早上",
    "早上": "早上",
    "早": "早上",
    "上午": "上午",
    "中午": "中午",
    "午后": "下午",
    "下午": "下午",
    "傍晚": "傍晚",
    "晚上": "夜间",
    "夜里": "夜间",
    "夜间": "夜间",
    "三更半夜": "夜间",
    "大半夜": "夜间",
    "半夜": "夜间",
    "深夜": "夜间",
    "晚": "夜间",
    "夜": "夜间",
}
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_WEEKS = {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1}
_UNITS = {"分钟": "minute", "小时": "hour", "钟头": "hour", "天": "day", "星期": "week", "礼拜": "week", "周": "week",
          "月": "month", "年": "year"}  # fmt: skip

_LONG_PARTS = "|".join(sorted((part for part in _PARTS if len(part) > 1), key=len, reverse=True))
_MINUTE = rf"(?P<minute>半|一刻|三刻|{COUNT}分?)"
_CLOCK = rf"(?P<hour>{COUNT})(?:点|时(?!候|间|不时))(?P<bare>钟)?{_MINUTE}?(?P<about>多|左右|前后|许)*"
_NOT_A_CLOCK = r"(?!意见|建议|要求|问题|原因|不同|儿|事)"

_DAY_TIME = re.compile(
    rf"(?:(?P<day>{'|'.join(_DAYS)})的?(?P<part>{_LONG_PARTS})?|(?P<short>[前昨今明])(?P<shortpart>早|晚|夜)(?:上)?)"
    rf"的?(?:{_CLOCK}{_NOT_A_CLOCK})?"
)
_PART_CLOCK = re.compile(rf"(?P<part>{_LONG_PARTS})的?{_CLOCK}{_NOT_A_CLOCK}")
_BARE_CLOCK = re.compile(rf"(?<![一二两三四五六七八九十\d几有这那早晚快慢差]){_CLOCK}{_NOT_A_CLOCK}")
_MONTH_DAY = re.compile(
    rf"(?:(?:(?P<year>[\d零〇一二三四五六七八九]{{4}})年)?(?P<month>{COUNT})月份?(?P<date>{COUNT})(?:号|日)"
    rf"|(?P<rel>这个月|本月|上个月|上月)(?P<reldate>{COUNT})(?:号|日))"
    rf"(?P<part>{_LONG_PARTS})?的?(?:{_CLOCK}{_NOT_A_CLOCK})?"
)
_WEEKDAY = re.compile(
    rf"(?<![每几一两二三四五六七八九十半\d个])(?P<week>上上|上|这|本|下)?(?:个)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])"
    rf"(?!直|共|定|些|样|个|边)(?P<part>{_LONG_PARTS})?"
)
_AGO = re.compile(
    rf"(?P<half>半)?(?P<count>{COUNT}|几|好几)?个?(?P<more>多|半)?(?P<unit>分钟|小时|钟头|天|星期|礼拜|周|月|年)多?(?:之前|以前|前)(?!面|后)"
)
_LASTING = re.compile(
    rf"(?:(?P<half>半)个?|(?P<count>{COUNT}|几|好几)个?)(?P<more>多|半)?(?P<unit>分钟|小时|钟头|天|星期|礼拜|周|月|年)多?"
    r"(?=了|没|不|都|还|也|一直|仍)"
)
_RELATIVE_MONTH = re.compile(r"上个?月|这个月|本月|去年|前年|今年|上个?(?:星期|礼拜|周)|这个?(?:星期|礼拜|周)|上?周末")
_MONTH = re.compile(rf"(?:(?P<year>今年|去年|前年|明年)(?P<named>{COUNT})月份?|(?P<month>{COUNT})月份)")
_NOW = re.compile(r"刚才|刚刚|(?<!到)现在|目前|正在|这会儿|此刻")
_RECURRING = re.compile(
    rf"(?:每天|天天|每晚|每个?(?:星期|礼拜|周|月)(?:[一二三四五六日天末])?)(?P<part>{_LONG_PARTS})?|经常|长期|一直|很久|好久|好长时间|很长时间"
)
_ONLY_PART = re.compile(_LONG_PARTS)
_SINCE = re.compile(r"^(?:就|才)?(?:开始|起)")
_DENIED = re.compile(r"(?<!是)不是$")
_LARGE, _LARGE_YEARS = 1000, 100
"""More of a unit than this is no time that somebody meant."""


def time_of(utterances: Sequence[Heard], called_at: datetime) -> TimeHeard | None:
    """The time of the event, or None. `called_at` carries the jurisdiction's timezone."""
    readings = [
        (heard, reading)
        for heard in of_caller(utterances)
        for reading in _readings(plain(heard.text), called_at)
        if not reading.denied
    ]
    if not readings:
        return None
    heard, best = max(readings, key=lambda one: one[1].worth)
    return TimeHeard(best.value, (best.words,), (heard.number,), best.worth)


@lru_cache(maxsize=4096)
def _readings(text: str, called_at: datetime) -> tuple[_Reading, ...]:
    readings: list[_Reading] = []
    taken: list[tuple[int, int]] = []
    for pattern, read in _KINDS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            value, worth = read(match, called_at)
            if not value:
                continue
            taken.append(match.span())
            if _SINCE.match(text[match.end() :]) and not value.endswith("起"):
                value += " 起"
            denied = bool(_DENIED.search(text[: match.start()]))
            readings.append(_Reading(match.start(), match.group(), value, worth, denied))
    return tuple(sorted(readings, key=lambda reading: reading.start))


_Read = tuple[str, float]


def _day_time(match: re.Match[str], called_at: datetime) -> _Read:
    if match["day"]:
        day, part = called_at + timedelta(days=_DAYS[match["day"]]), match["part"]
    else:
        day, part = called_at + timedelta(days=_SHORT_DAYS[match["short"]]), match["shortpart"]
    if match["hour"]:
        return _at_clock(match, day, part, 0.95)
    if part:
        return f"{_date(day)} {_PARTS[part]}", 0.9
    return _date(day), 0.85


def _part_clock(match: re.Match[str], called_at: datetime) -> _Read:
    """Without a day: the last time that it was so late."""
    value, worth = _at_clock(match, called_at, match["part"], 0.8)
    clock = _clock(match, match["part"])
    if clock is None:
        return value, worth
    moment = called_at.replace(hour=clock[0] % 24, minute=clock[1], second=0, microsecond=0)
    if moment > called_at:
        moment -= timedelta(days=1)
    return _moment(moment, match), worth


def _bare_clock(match: re.Match[str], called_at: datetime) -> _Read:
    hour = count(match["hour"])
    # 一点 by itself is "a little"; 两点 to 十二点 may still be points of a list, so something has to follow.
    if hour is None or not (match["bare"] or match["minute"] or match["about"]):
        return "", 0
    clock = _clock(match, None)
    if clock is None:
        return "", 0
    candidates = [clock[0]] if clock[0] > 12 else [clock[0] % 12, clock[0] % 12 + 12]
    moments = []
    for candidate in candidates:
        moment = called_at.replace(hour=candidate % 24, minute=clock[1], second=0, microsecond=0)
        moments.append(moment if moment <= called_at else moment - timedelta(days=1))
    return _moment(max(moments), match), 0.6


def _at_clock(match: re.Match[str], day: datetime, part: str | None, worth: float) -> _Read:
    clock = _clock(match, part)
    if clock is None:
        return (f"{_date(day)} {_PARTS[part]}" if part else _date(day)), 0.8
    hour, minute = clock
    small_hours = part is not None and _PARTS[part] == "夜间" and hour < 6
    # "昨天半夜一点" is said of the night that began yesterday; 凌晨 belongs to the day that is named.
    moment = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=1 if small_hours else 0, hours=hour, minutes=minute
    )
    return _moment(moment, match), worth - (0.15 if small_hours else 0)


def _clock(match: re.Match[str], part: str | None) -> tuple[int, int] | None:
    """Hour (24-hour) and minute; 24 is midnight at the end of the day. None when it is no time of day."""
    hour = count(match["hour"])
    if hour is None or hour > 24:
        return None
    half_day = _PARTS[part] if part else ""
    if half_day in ("下午", "傍晚") and hour < 12:
        hour += 12
    elif half_day == "夜间":
        if hour == 12:
            hour = 0
        elif 6 <= hour < 12:
            hour += 12
    elif half_day == "中午" and hour < 4:
        hour += 12
    said = match["minute"]
    minute: int | None = 0
    if said:
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(said) or count(said.rstrip("分"))
    return None if minute is None or minute > 59 else (hour, minute)


def _moment(moment: datetime, match: re.Match[str]) -> str:
    if match["about"] and not match["minute"]:
        return f"{_date(moment)} {moment:%H}时许"
    return f"{moment:%Y-%m-%d %H:%M}"


def _month_day(match: re.Match[str], called_at: datetime) -> _Read:
    date = count(match["date"] or match["reldate"])
    if match["rel"]:
        year, month = _months_before(called_at, 1 if match["rel"].startswith("上") else 0)
    else:
        month = count(match["month"]) or 0
        year = _year(match["year"]) if match["year"] else called_at.year
    try:
        day = datetime(year, month, date or 0, tzinfo=called_at.tzinfo)
        # Without a year: a date that is far ahead was last year's, one soon to come is meant.
        if not match["rel"] and not match["year"] and day - called_at > timedelta(days=180):
            day = day.replace(year=year - 1)
    except (ValueError, OverflowError):
        return "", 0
    if match["hour"]:
        return _at_clock(match, day, match["part"], 0.95)
    return _date(day) + (f" {_PARTS[match['part']]}" if match["part"] else ""), 0.9


def _year(said: str) -> int:
    return int("".join(digit(character) or "0" for character in said))


def _weekday(match: re.Match[str], called_at: datetime) -> _Read:
    wanted = _WEEKDAYS[match["weekday"]]
    monday = called_at - timedelta(days=called_at.weekday())
    if match["week"]:
        day = monday + timedelta(weeks=_WEEKS[match["week"]], days=wanted)
    else:
        day = called_at - timedelta(days=(called_at.weekday() - wanted) % 7)
    part = f" {_PARTS[match['part']]}" if match["part"] else ""
    return _date(day) + part, 0.85 if match["week"] else 0.7


def _ago(match: re.Match[str], called_at: datetime) -> _Read:
    number = 0.5 if match["half"] else _count_of(match)
    if number is None:
        return (match.group(), 0.4) if "几" in (match["count"] or "") else ("", 0)
    return _back(called_at, number, match["unit"], "前后"), 0.8


def _lasting(match: re.Match[str], called_at: datetime) -> _Read:
    number = 0.5 if match["half"] else _count_of(match)
    if number is None:
        return (f"已有{match.group()}", 0.45) if "几" in (match["count"] or "") else ("", 0)
    if match["more"] == "多":
        return _back(called_at, number, match["unit"], "以前"), 0.7
    return f"{_back(called_at, number, match['unit'], '')} 起", 0.75


def _count_of(match: re.Match[str]) -> float | None:
    number = count(match["count"] or "")
    if number is None or number > (_LARGE if _UNITS[match["unit"]] != "year" else _LARGE_YEARS):
        return None
    return number + (0.5 if match["more"] == "半" else 0)


def _back(called_at: datetime, number: float, unit: str, about: str) -> str:
    match _UNITS[unit]:
        case "minute":
            return f"{called_at - timedelta(minutes=number):%Y-%m-%d %H:%M}"
        case "hour":
            return f"{called_at - timedelta(hours=number):%Y-%m-%d %H}时许"
        case "day":
            # "三天前" is that day, "两个月前" is about then.
            return _date(called_at - timedelta(days=number)) + (f" {about}" if about == "以前" else "")
        case "week":
            return _date(called_at - timedelta(weeks=number)) + (f" {about}" if about else "")
        case "month" if number < 1:
            return _date(called_at - timedelta(days=15)) + (f" {about}" if about else "")
        case "month":
            year, month = _months_before(called_at, int(number))
            return f"{year}-{month:02d}" + (f" {about}" if about else "")
        case _ if number < 1:
            year, month = _months_before(called_at, 6)
            return f"{year}-{month:02d}" + (f" {about}" if about else "")
        case _:
            return f"{called_at.year - int(number)}" + (f" {about}" if about else "")


def _months_before(called_at: datetime, months: int) -> tuple[int, int]:
    index = called_at.year * 12 + called_at.month - 1 - months
    return index // 12, index % 12 + 1


def _relative_month(match: re.Match[str], called_at: datetime) -> _Read:
    said = match.group()
    year, month = _months_before(called_at, 1 if said.startswith("上") else 0)
    monday = called_at - timedelta(days=called_at.weekday())
    match said:
        case "上个月" | "上月" | "这个月" | "本月":
            return f"{year}-{month:02d}", 0.6
        case "去年" | "前年" | "今年":
            return str(called_at.year - {"去年": 1, "前年": 2, "今年": 0}[said]), 0.55
        case "周末" | "上周末":
            saturday = monday + timedelta(days=5)
            if saturday.date() > called_at.date() or said == "上周末":
                saturday -= timedelta(weeks=1)
            return f"{_date(saturday)} 至 {_date(saturday + timedelta(days=1))}", 0.6
        case _:
            start = monday - timedelta(weeks=1 if said.startswith("上") else 0)
            return f"{_date(start)} 至 {_date(start + timedelta(days=6))}", 0.6


def _month(match: re.Match[str], called_at: datetime) -> _Read:
    number = count(match["named"] or match["month"])
    if number is None or not 1 <= number <= 12:
        return "", 0
    year = called_at.year + {"今年": 0, "去年": -1, "前年": -2, "明年": 1}.get(match["year"] or "今年", 0)
    return f"{year}-{number:02d}", 0.6


def _now(match: re.Match[str], called_at: datetime) -> _Read:
    return f"{called_at:%Y-%m-%d %H:%M} 前后", 0.65 if match.group().startswith("刚") else 0.5


def _recurring(match: re.Match[str], called_at: datetime) -> _Read:
    return match.group(), 0.5 if match.group().startswith(("每", "天天")) else 0.4


def _only_part(match: re.Match[str], called_at: datetime) -> _Read:
    return _PARTS[match.group()], 0.3


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


# In this order: what says more takes its words before what says less can read a part of them.
_KINDS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], _Read]]] = (
    (_DAY_TIME, _day_time),
    (_MONTH_DAY, _month_day),
    (_WEEKDAY, _weekday),
    (_PART_CLOCK, _part_clock),
    (_AGO, _ago),
    (_LASTING, _lasting),
    (_BARE_CLOCK, _bare_clock),
    (_MONTH, _month),
    (_NOW, _now),
    (_RELATIVE_MONTH, _relative_month),
    (_RECURRING, _recurring),
    (_ONLY_PART, _only_part),
)
