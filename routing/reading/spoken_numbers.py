"""Spoken numbers: counts such as 二十三, 三百五 or 一万二, and digits that are read out one by one."""

from __future__ import annotations

DIGITS = {"零": 0, "〇": 0, "一": 1, "幺": 1, "二": 2, "两": 2, "俩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7,
          "八": 8, "九": 9}  # fmt: skip

COUNT = r"[零〇一二两三四五六七八九十百千\d]+"
"""A regular expression for what `count` reads of the times and places that callers name."""

_STEPS = {"十": 10, "百": 100, "千": 1000}
_SECTIONS = (("亿", 100_000_000), ("万", 10_000))


def count(text: str) -> int | None:
    """The number that is said or written; None when it is none, such as 三五, 百 or an empty text.

    A digit that ends a number after a step belongs to the next smaller one: 三百五 is 350, 一万二 is 12000.
    """
    if text.isdecimal():
        return int(text)
    for name, size in _SECTIONS:
        head, found, tail = text.partition(name)
        if not found:
            continue
        above = count(head)
        if above is None:
            return None
        if len(tail) == 1 and tail in DIGITS:
            return above * size + DIGITS[tail] * size // 10
        below = count(tail.removeprefix("零").removeprefix("〇")) if tail else 0
        return None if below is None or below >= size else above * size + below
    return _below_ten_thousand(text)


def _below_ten_thousand(text: str) -> int | None:
    total, digit, step, zero = 0, None, 10_000, False
    for character in text:
        if character in _STEPS:
            # 十 alone is ten, 百 alone is no number; steps only become smaller.
            size = _STEPS[character]
            if size >= step or (digit is None and character != "十"):
                return None
            total += (1 if digit is None else digit) * size
            digit, step, zero = None, size, False
        elif character in DIGITS:
            if digit is not None and digit != 0:
                return None
            zero = zero or DIGITS[character] == 0
            digit = DIGITS[character]
        else:
            return None
    if not text:
        return None
    if digit and not zero and 100 <= step < 10_000:
        return total + digit * step // 10
    return total + (digit or 0)


def digit(character: str) -> str | None:
    """One read-out digit as 0-9, or None. 幺 is one, as in telephone numbers."""
    if character.isascii() and character.isdigit():
        return character
    known = DIGITS.get(character)
    return None if known is None else str(known)
