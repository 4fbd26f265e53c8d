"""When two spellings are the same: numbers in characters or digits, and names as they sound.

A recogniser may write a name with other characters of the same sound; whether the reading found the right place is
told by its unit, so the words need only sound like the name.
"""

from __future__ import annotations

import re

from pypinyin import Style, lazy_pinyin, pinyin

_DIGITS = {
    "零": 0,
    "〇": 0,
    "幺": 1,
    **{character: value for value, character in enumerate("一二三四五六七八九", start=1)},
    "两": 2,
}
_PLACES = {"十": 10, "百": 100, "千": 1000}
_NUMBER = re.compile(r"[零〇幺一二两三四五六七八九十百千]+")
_NO_TEXT = re.compile(r"[^\w]|_")
_SOUTHERN = ((re.compile(r"^([zcs])h"), r"\1"), (re.compile(r"^l"), "n"), (re.compile(r"ng$"), "n"))


def spelt(text: str) -> str:
    """The text without punctuation and spaces, in lower case, all numbers in digits."""
    return _NUMBER.sub(_in_digits, _NO_TEXT.sub("", text).lower())


def holds(value: str, piece: str) -> bool:
    """Whether the value contains the piece, however numbers are written."""
    return spelt(piece) in spelt(value)


def holds_by_sound(value: str, name: str) -> bool:
    """Whether the value contains the name or what sounds like it (zh as z, l as n, ng as n; 长 as chang or zhang)."""
    if holds(value, name):
        return True
    heard, wanted = _sounds(value), _sounds(name)
    return any(
        all(not sound.isdisjoint(other) for sound, other in zip(wanted, heard[start:], strict=False))
        for start in range(len(heard) - len(wanted) + 1)
    )


def syllables(text: str) -> list[str]:
    """How the text sounds, without tones."""
    return [str(one) for one in lazy_pinyin(_NO_TEXT.sub("", text).lower())]


def _sounds(text: str) -> list[frozenset[str]]:
    """All sounds that each character may have; a number is a single one."""
    return [frozenset(map(_southern, one)) for one in pinyin(spelt(text), style=Style.NORMAL, heteronym=True)]


def _southern(sound: str) -> str:
    for pattern, replacement in _SOUTHERN:
        sound = pattern.sub(replacement, sound)
    return sound


def _in_digits(match: re.Match[str]) -> str:
    run = match.group()
    if not any(character in _PLACES for character in run):
        return "".join(str(_DIGITS[character]) for character in run)
    total, digit, last = 0, -1, 1
    for character in run:
        if character in _PLACES:
            total += _PLACES[character] * (digit if digit >= 0 else 1)
            last, digit = _PLACES[character], -1
        else:
            digit = _DIGITS[character]
            last = 1 if digit == 0 else last
    # 三百五 is 350, 三百零五 is 305, 十五 is 15.
    return str(total + max(digit, 0) * (last // 10 if last > 10 else 1))
