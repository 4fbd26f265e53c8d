"""The words of the matter catalogue in what a caller said: what the event and the proposal are both read from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import EmergencyHint, Jurisdiction, Matter
from routing.spoken import GAP, Found, Phrases


@dataclass(frozen=True)
class MatterWord:
    """A phrase stands for `matter`; a hint only supports it."""

    matter: Matter
    is_hint: bool


_GAP_IN_WORD = "…"
_OR = "/"
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


_NEGATED = re.compile(
    r"(?:没有|没|未|并没有|不会|(?<!是)不是|不用|不需要|不必|无)"
    r"(?:发生|出现|造成|看到|看见|听到|听说|有人|有|人|出|要|叫|说|打|去|困|任何|什么){0,3}$"
)
"""没有着火, 没看到有人持刀, 不是要自杀, 不用叫救护车; but not 没有人管啊着火了."""
_HYPOTHETICAL = re.compile(
    r"(?:会|容易|随时|(?:万一|如果|要是|防止|担心|以免|避免|差点|预防|(?<![好很害])怕(?![他她]))"
    r"[^，。,.]{0,8})$"
)
_LIKE = (re.compile(r"(?:像|跟|好比|如同)[^，。,.]{0,3}$"), re.compile(r"^[^，。,.]{0,4}(?:一样|似的)"))
"""晒得像着火一样; but not 好像着火了."""
_MAY_HAPPEN = 0.35
"""What may happen still shows up below the ordinary: overlooking a danger costs more than looking twice."""
_SETTLED = 0.4
"""What is over or an office matter likewise: it is shown to the agent, and calls nobody by itself."""


@lru_cache(maxsize=4096)
def danger_words(jurisdiction: Jurisdiction, text: str) -> tuple[DangerWord, ...]:
    """Words of danger in a plain text, without those that are denied (没有着火) or everyday speech (热得要命).

    They weigh less in what may happen (万一着火) and in what is over (去年的车祸), unless something acute is said too.
    """
    emergency = jurisdiction.emergency
    acute = any(word in text for word in emergency.acute)
    settled = not acute and any(word in text for word in emergency.settled)
    words: list[DangerWord] = []
    for start, certain, phrase, hint in _dangers(jurisdiction, text):
        before = text[:start]
        if _NEGATED.search(before) or _NEGATED.search(text[:certain]):
            continue
        if _LIKE[0].search(before) and _LIKE[1].search(text[start + len(phrase) :]):
            continue
        share = _MAY_HAPPEN if not acute and _HYPOTHETICAL.search(before) else _SETTLED if settled else 1.0
        words.append(DangerWord(phrase, hint, hint.weight * share))
    return tuple(words)


def _dangers(jurisdiction: Jurisdiction, text: str) -> Iterator[tuple[int, int, str, EmergencyHint]]:
    """Where words of danger begin, and their last part (电梯…困), harmless phrases that hold them left out."""
    found = _danger_phrases(jurisdiction).find(text)
    for one in found:
        for hint in one.payloads:
            if hint is not None:
                yield one.start, one.start, one.phrase, hint
    harmless = [(one.start, one.end) for one in found if None in one.payloads]
    for pattern, hint in _danger_patterns(jurisdiction):
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in harmless):
                yield match.start(), match.start("last"), match.group(), hint


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
    hints = jurisdiction.emergency.hints
    return Phrases([*harmless, *((word, hint) for hint in hints for word in hint.words if _GAP_IN_WORD not in word)])


@lru_cache(maxsize=8)
def _danger_patterns(jurisdiction: Jurisdiction) -> tuple[tuple[re.Pattern[str], EmergencyHint], ...]:
    between = rf"[^，。,.{GAP}]{{0,6}}?"

    def pattern(word: str) -> re.Pattern[str]:
        *first, last = (f"(?:{'|'.join(map(re.escape, part.split(_OR)))})" for part in word.split(_GAP_IN_WORD))
        return re.compile(f"{between.join([*first, ''])}(?P<last>{last})")

    return tuple(
        (pattern(word), hint) for hint in jurisdiction.emergency.hints for word in hint.words if _GAP_IN_WORD in word
    )
