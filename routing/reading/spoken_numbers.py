"""Spoken numbers: counts such as 二十三 or 两三, and digits that are read out one by one."""

from __future__ import annotations

DIGITS = {"零": 0, "〇": 0, "一": 1, "幺": 1, "二": 2, "两": 2, "俩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7,
          "八": 8, "九": 9}  # fmt: skip

COUNT = r"[零〇一二两三四五六七八九十百千\d]+"
"""A regular expression for what `count` reads."""

_STEPS = {"十": 10, "百": 100, "千": 1000}


def count(text: str) -> int | None:
    """The number that is said or written; None when it is none, such as 三五 or an empty text."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, None
    for character in text:
        if character in _STEPS:
            # 十 alone is ten; a step after 零 or twice the same size cannot be.
            total += (1 if digit is None else digit) * _STEPS[character]
            digit = None
        elif character in DIGITS:
            if digit is not None and digit != 0:
                return None
            digit = DIGITS[character]
        else:
            return None
    if not text:
        return None
    return total + (digit or 0)


def digit(character: str) -> str | None:
    """One read-out digit as 0-9, or None. 幺 is one, as in telephone numbers."""
    if character.isascii() and character.isdigit():
        return character
    known = DIGITS.get(character)
    return None if known is None else str(known)
