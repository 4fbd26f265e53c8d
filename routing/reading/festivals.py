"""The days of the festivals that callers name (中秋那天, 大年初三), those of the lunar calendar from a table.

Past the table's years nothing is known and None is given: a made-up date would be worse than the caller's words.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

FIXED = {
    "元旦": (1, 1),
    "妇女节": (3, 8),
    "五一": (5, 1),
    "五一劳动节": (5, 1),
    "劳动节": (5, 1),
    "六一": (6, 1),
    "儿童节": (6, 1),
    "国庆": (10, 1),
    "国庆节": (10, 1),
    "十一黄金周": (10, 1),
    "十一长假": (10, 1),
    "十一假期": (10, 1),
}
"""Month and day of those that the solar calendar fixes."""

_SPRING = {
    2024: date(2024, 2, 10),
    2025: date(2025, 1, 29),
    2026: date(2026, 2, 17),
    2027: date(2027, 2, 6),
    2028: date(2028, 1, 26),
    2029: date(2029, 2, 13),
    2030: date(2030, 2, 3),
}
# Month and day in the years of `_SPRING`, in their order.
_LUNAR = {
    "三月三": ((4, 11), (3, 31), (4, 19), (4, 9), (3, 28), (4, 16), (4, 5)),
    "清明": ((4, 4), (4, 4), (4, 5), (4, 5), (4, 4), (4, 4), (4, 5)),
    "端午": ((6, 10), (5, 31), (6, 19), (6, 9), (5, 28), (6, 16), (6, 5)),
    "七夕": ((8, 10), (8, 29), (8, 19), (8, 8), (8, 26), (8, 16), (8, 5)),
    "中元": ((8, 18), (9, 6), (8, 27), (8, 16), (9, 3), (8, 24), (8, 13)),
    "中秋": ((9, 17), (10, 6), (9, 25), (9, 15), (10, 3), (9, 22), (9, 12)),
    "重阳": ((10, 11), (10, 29), (10, 18), (10, 8), (10, 26), (10, 16), (10, 5)),
}
_ALSO = {
    "清明节": "清明",
    "端午节": "端午",
    "五月节": "端午",
    "七月半": "中元",
    "鬼节": "中元",
    "中元节": "中元",
    "中秋节": "中秋",
    "八月十五": "中秋",
    "重阳节": "重阳",
}
# Days after the first day of the lunar year.
_NEW_YEAR = {
    "春节": 0,
    "过年": 0,
    "大年初一": 0,
    "年初一": 0,
    "除夕": -1,
    "大年三十": -1,
    "年三十": -1,
    "元宵": 14,
    "元宵节": 14,
    "正月十五": 14,
}
_FIRST_DAYS = {f"{year}初{name}": day for year in ("大年", "年") for day, name in enumerate("一二三四五六七八九十")}

_NAMES = sorted({*FIXED, *_LUNAR, *_ALSO, *_NEW_YEAR, *_FIRST_DAYS}, key=len, reverse=True)
NAMES = rf"(?<![块点百千万零一二三四五六七八九十])(?:{'|'.join(map(re.escape, _NAMES))})(?![路街村号百千万块点度毛])"
"""A regular expression for the names that `day_of` knows."""


def day_of(name: str, year: int) -> date | None:
    """The day of a festival in a year; None past the table."""
    name = _ALSO.get(name, name)
    if name in FIXED:
        return date(year, *FIXED[name])
    spring = _SPRING.get(year)
    if spring is None:
        return None
    if name in _LUNAR:
        return date(year, *_LUNAR[name][year - min(_SPRING)])
    return spring + timedelta(days=_NEW_YEAR.get(name, _FIRST_DAYS.get(name, 0)))
