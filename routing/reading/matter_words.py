"""The words of the matter catalogue in what a caller said: what the event and the proposal are both read from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import EmergencyHint, Jurisdiction, Matter
from routing.reading.danger_likeness import Likeness, like_dangers, sounds_harmless
from routing.reading.spoken import GAP, Found, Phrases


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


@lru_cache(maxsize=4096)
def undenied(jurisdiction: Jurisdiction, text: str) -> str:
    """The text without the words that were denied: 没有着火就是烟味大 tells of smoke alone."""
    dangers = [(one.start, one.end, _NEGATED) for one in _danger_phrases(jurisdiction).find(text)]
    matters = [(one.start, one.end, _DENIED) for one in _matter_phrases(jurisdiction).find(text)]
    left = text
    for start, end, denial in (*dangers, *matters):
        if denial.search(text[:start]):
            left = left[:start] + GAP * (end - start) + left[end:]
    return left


@dataclass(frozen=True)
class DangerWord:
    """A word of danger; `weight` is the hint's, less when it was said of what may happen.

    `alike`: no word of the configuration, the utterance sounds like known dangers.
    """

    phrase: str
    hint: EmergencyHint
    weight: float
    alike: bool = False


_NO = r"(?:没有|没|未|并没有|不会|(?<!是)不是|不用|不需要|不必|无)"
_NEGATED = re.compile(
    _NO + r"(?:发生|出现|造成|看到|看见|听到|听说|闻到|有人|有|人|被|出|要|叫|说|打|去|困|任何|什么){0,3}$"
)
"""没有着火, 没看到有人持刀, 不是要自杀, 不用叫救护车; but not 没有人管啊着火了."""
_NO_WITHIN = re.compile(r"没|未|不是|不用")
"""电梯里没有困人: a denial between the parts of a pattern."""
_HYPOTHETICAL = re.compile(
    r"(?:会|容易|随时|(?:万一|如果|要是|防止|担心|以免|免得|避免|差点|预防|(?<![好很害])怕(?![他她]))"
    r"[^，。,.]{0,8})$"
)
_LIKE = (re.compile(r"(?:像|跟|好比|如同)[^，。,.]{0,3}$"), re.compile(r"^[^，。,.]{0,4}(?:一样|似的)"))
"""晒得像着火一样; but not 好像着火了."""
_HAS_HAPPENED = re.compile(r"^了(?![一二两三四五六七八九十几半0-9]+(?:天|年|周|个月|个星期|星期))")
"""着火了 is now; 被偷了三天 is not."""
_MAY_HAPPEN = 0.35
"""What may happen still shows up below the ordinary: overlooking a danger costs more than looking twice."""
_SETTLED = 0.4
"""What is over or an office matter likewise: it is shown to the agent, and calls nobody by itself."""


@lru_cache(maxsize=4096)
def danger_words(jurisdiction: Jurisdiction, text: str) -> tuple[DangerWord, ...]:
    """Words of danger in a plain text, without those that are denied (没有着火) or everyday speech (热得要命).

    They weigh less in what may happen (万一着火), in what is over (去年的车祸) and in what an office is asked
    (工伤怎么认定), unless the words right before say that it happens now (今天, 突然).
    """
    past, office, acute = _circumstances(jurisdiction)
    over, asked = past.search(text) is not None, office.search(text) is not None
    words: list[DangerWord] = []
    left = text
    for start, certain, phrase, hint in _dangers(jurisdiction, text):
        before, after = text[:start], text[start + len(phrase) :]
        if denied := _NEGATED.search(before) or _NEGATED.search(text[:certain]):
            left = _blotted(left, min(denied.start(), start), start + len(phrase))
            continue
        if _LIKE[0].search(before) and _LIKE[1].search(after):
            left = _blotted(left, start, start + len(phrase))
            continue
        share = 1.0
        happened = phrase.endswith("了") or _HAS_HAPPENED.search(after) is not None
        is_acute = acute.search(before) is not None
        if not is_acute:
            if feared := _HYPOTHETICAL.search(before):
                share = _MAY_HAPPEN
                left = _blotted(left, feared.start(), start + len(phrase))
            elif over or (asked and not happened):
                share = _SETTLED
        # Never what is said to have happened: 建议你们派人来房子着火了 is polite, and burns.
        doubtful = not (happened or is_acute) and hint.lines and len(text) - len(phrase) >= _AROUND
        if doubtful and sounds_harmless(text):
            share = min(share, _SETTLED)
        words.append(DangerWord(phrase, hint, hint.weight * share))
    return (*words, *_likenesses(jurisdiction, left, words))


def _blotted(text: str, start: int, end: int) -> str:
    """The text without a danger that is none, so that nothing sounds like it."""
    return text[:start] + GAP * (end - start) + text[end:]


_AROUND = 8
"""So much has to be said beside a word of danger before it may count for less: 晕过去了 alone is an emergency."""
_ALIKE, _ALIKE_MORE = 0.53, 0.42
"""What a likeness weighs at least, and by its probability: always more than the ordinary, never as much as a word."""


def _likenesses(jurisdiction: Jurisdiction, text: str, said: list[DangerWord]) -> Iterator[DangerWord]:
    """What the text sounds like, as far as the words of danger did not say so."""
    for likeness in like_dangers(jurisdiction, text):
        loud = [word for word in said if word.hint.urgency == likeness.urgency and word.weight >= _ALIKE + _ALIKE_MORE]
        called = {line for word in loud for line in word.hint.lines}
        lines = tuple(line for line in likeness.lines if line not in called)
        if lines or not loud:
            weight = _ALIKE + _ALIKE_MORE * likeness.probability
            yield DangerWord(likeness.words[0], _hint(likeness, lines), weight, alike=True)


def _hint(likeness: Likeness, lines: tuple[str, ...]) -> EmergencyHint:
    words = "、".join(f"“{word}”" for word in likeness.words)
    return EmergencyHint(
        urgency=likeness.urgency, lines=lines, words=likeness.words, reason=f"说法与已知险情相近：{words}"
    )


def _dangers(jurisdiction: Jurisdiction, text: str) -> Iterator[tuple[int, int, str, EmergencyHint]]:
    """Where words of danger begin, and their last part (电梯…困), harmless phrases that hold them left out."""
    found = _danger_phrases(jurisdiction).find(text)
    patterns, harmless_patterns = _danger_patterns(jurisdiction)
    harmless = [(one.start, one.end) for one in found if None in one.payloads]
    harmless += [match.span() for pattern in harmless_patterns for match in pattern.finditer(text)]

    def means_nothing(start: int, end: int) -> bool:
        return any(first < end and start < last for first, last in harmless)

    for one in found:
        for hint in one.payloads:
            if hint is not None and not means_nothing(one.start, one.end):
                yield one.start, one.start, one.phrase, hint
    for pattern, hint in patterns:
        for match in pattern.finditer(text):
            gaps = "".join(match.group(name) for name in pattern.groupindex if name != "last")
            if not means_nothing(*match.span()) and not _NO_WITHIN.search(gaps):
                yield match.start(), match.start("last"), match.group(), hint


@lru_cache(maxsize=8)
def _matter_phrases(jurisdiction: Jurisdiction) -> Phrases[MatterWord]:
    return Phrases(
        (phrase, MatterWord(matter, is_hint))
        for matter in jurisdiction.matters
        for is_hint, phrases in ((False, matter.words), (True, matter.hints))
        for phrase in phrases
    )


def _is_pattern(word: str) -> bool:
    return _GAP_IN_WORD in word


def _either(word: str) -> list[str]:
    return word.split(_OR)


@lru_cache(maxsize=8)
def _danger_phrases(jurisdiction: Jurisdiction) -> Phrases[EmergencyHint | None]:
    # A harmless phrase covers the word of danger inside it, because the longer one is found.
    emergency = jurisdiction.emergency
    harmless = [(one, None) for word in emergency.harmless if not _is_pattern(word) for one in _either(word)]
    return Phrases(
        [
            *harmless,
            *(
                (one, hint)
                for hint in emergency.hints
                for word in hint.words
                if not _is_pattern(word)
                for one in _either(word)
            ),
        ]
    )


_Pattern = re.Pattern[str]


@lru_cache(maxsize=8)
def _danger_patterns(
    jurisdiction: Jurisdiction,
) -> tuple[tuple[tuple[_Pattern, EmergencyHint], ...], tuple[_Pattern, ...]]:
    """The words with a gap, and those of them that mean no danger."""
    emergency = jurisdiction.emergency
    return (
        tuple((_pattern(word), hint) for hint in emergency.hints for word in hint.words if _is_pattern(word)),
        tuple(_pattern(word) for word in emergency.harmless if _is_pattern(word)),
    )


@lru_cache(maxsize=8)
def _circumstances(jurisdiction: Jurisdiction) -> tuple[_Pattern, _Pattern, _Pattern]:
    """What says that it is over, that an office is asked, and (right before the danger) that it happens now."""
    emergency = jurisdiction.emergency

    def any_of(words: tuple[str, ...], ending: str = "") -> _Pattern:
        return re.compile(f"(?:{'|'.join(_source(word, '') for word in words)}){ending}" if words else "(?!)")

    return any_of(emergency.past), any_of(emergency.office), any_of(emergency.acute, rf"[^，。,.{GAP}]{{0,4}}$")


def _pattern(word: str) -> _Pattern:
    return re.compile(_source(word, "last"))


def _source(word: str, last: str) -> str:
    """A word with gaps as a regular expression; with `last`, its last part is a group of that name, gaps are groups."""
    parts = [f"(?:{'|'.join(map(re.escape, _either(part)))})" for part in word.split(_GAP_IN_WORD)]
    if not last:
        return rf"[^，。,.{GAP}]{{0,6}}?".join(parts)
    gaps = [rf"(?P<gap{number}>[^，。,.{GAP}]{{0,6}}?)" for number in range(len(parts) - 1)]
    text = "".join(part + gap for part, gap in zip(parts, gaps, strict=False))
    return f"{text}(?P<{last}>{parts[-1]})"
