"""The words of the matter catalogue in what a caller said: what the event and the proposal are both read from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import EmergencyHint, Jurisdiction, Matter
from routing.spoken import Found, Phrases


@dataclass(frozen=True)
class MatterWord:
    """A phrase stands for `matter`; a hint only supports it."""

    matter: Matter
    is_hint: bool


_DENIED = re.compile(r"(?:(?<!是)不是|并非|不关)$")


@lru_cache(maxsize=4096)
def matter_words(jurisdiction: Jurisdiction, text: str) -> tuple[Found[MatterWord], ...]:
    """What a plain text says of the catalogue's matters. "不是路灯" does not speak of lamps, "没有着火" not of fire."""
    no_danger = [
        (danger.start, danger.end)
        for danger in _danger_phrases(jurisdiction).find(text)
        if _NEGATED.search(text[: danger.start])
    ]
    return tuple(
        one
        for one in _matter_phrases(jurisdiction).find(text)
        if not _DENIED.search(text[: one.start])
        and not any(start <= one.start and one.end <= end for start, end in no_danger)
    )


@dataclass(frozen=True)
class DangerWord:
    """A word of danger; `weight` is the hint's, less when it was said of what may happen."""

    phrase: str
    hint: EmergencyHint
    weight: float


_NEGATED = re.compile(r"(?:没有|没|未|并没有|没有人|没人|不会|不是|无|没看到|没有看到)$")
_HYPOTHETICAL = re.compile(r"(?:会|容易|随时|(?:怕|万一|如果|要是|防止|担心|以免|避免|差点|预防)[^，。,.]{0,8})$")
_MAY_HAPPEN = 0.35
"""What may happen still shows up below the ordinary: overlooking a danger costs more than looking twice."""


@lru_cache(maxsize=4096)
def danger_words(jurisdiction: Jurisdiction, text: str) -> tuple[DangerWord, ...]:
    """Words of danger in a plain text, without those that are denied (没有着火) or everyday speech (热得要命)."""
    words: list[DangerWord] = []
    for one in _danger_phrases(jurisdiction).find(text):
        before = text[: one.start]
        if _NEGATED.search(before):
            continue
        share = _MAY_HAPPEN if _HYPOTHETICAL.search(before) else 1.0
        words.extend(DangerWord(one.phrase, hint, hint.weight * share) for hint in one.payloads if hint is not None)
    return tuple(words)


@lru_cache(maxsize=8)
def _matter_phrases(jurisdiction: Jurisdiction) -> Phrases[MatterWord]:
    return Phrases(
        (phrase, MatterWord(matter, is_hint))
        for matter in jurisdiction.matters
        for is_hint, phrases in ((False, matter.words), (True, matter.hints))
        for phrase in phrases
    )


@lru_cache(maxsize=8)
def _danger_phrases(jurisdiction: Jurisdiction) -> Phrases[EmergencyHint | None]:
    # A harmless phrase covers the word of danger inside it, because the longer one is found.
    harmless: list[tuple[str, EmergencyHint | None]] = [(phrase, None) for phrase in jurisdiction.emergency.harmless]
    return Phrases([*harmless, *((word, hint) for hint in jurisdiction.emergency.hints for word in hint.words)])
