"""Danger by likeness: what the classifier adds to the words of danger of config/, and where it doubts them.

Callers seldom say 着火. On sentences that neither had seen the words alone hear two in five dangers; with this beside
them seven in eight (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from routing.jurisdiction import Jurisdiction
from routing.reading import learned
from routing.reading.spoken import GAP

_GUIDE = "guide"
_EMERGENCY = "emergency"
_LIKELY = 0.15
"""From here on the desk is shown the lines. Low, because an overlooked danger costs more than a glance."""
_UNLIKELY = 0.03
"""Below, a word of danger was said of something else (变压器放炮, 在烧香): it is shown, and calls nobody by itself."""
_EMERGENCY_LIKELY = 0.6
"""What a unit makes safe (YZ-14(4)): a wrong proposal would start clocks of minutes."""
_LINE_LIKELY = 0.25
"""Lines are proposed down to this share of the likeliest one's probability."""
_LEAST = 5
"""Fewer characters (你好, 在吗) sound like the beginning of anything."""


@dataclass(frozen=True)
class Likeness:
    """An urgency that the utterance sounds like; `lines` the most needed first, `words` of the text that decided."""

    urgency: str
    probability: float
    lines: tuple[str, ...]
    words: tuple[str, ...]


def like_dangers(jurisdiction: Jurisdiction, text: str) -> tuple[Likeness, ...]:
    """What a plain text sounds like, of the urgencies and lines that the jurisdiction has."""
    if len(text.replace(GAP, "")) < _LEAST:
        return ()
    urgencies = {urgency.id for urgency in jurisdiction.urgencies}
    likely: list[Likeness] = []
    guesses = {guess.id: guess for guess in learned.urgency(text)}
    guide, emergency = guesses[_GUIDE], guesses[_EMERGENCY]
    if guide.probability >= _LIKELY and guide.words and _GUIDE in urgencies:
        known = {line.number for line in jurisdiction.lines}
        lines = [line for line in learned.danger(text) if line.id in known]
        bar = _LINE_LIKELY * lines[0].probability
        needed = tuple(line.id for line in lines if line.probability >= bar)
        likely.append(Likeness(_GUIDE, guide.probability, needed, guide.words))
    if emergency.probability >= _EMERGENCY_LIKELY and emergency.words and _EMERGENCY in urgencies:
        likely.append(Likeness(_EMERGENCY, emergency.probability, (), emergency.words))
    return tuple(likely)


def sounds_harmless(text: str) -> bool:
    """Whether the text as a whole is far from any known danger, whatever words of danger are in it."""
    return all(guess.probability < _UNLIKELY for guess in learned.urgency(text) if guess.id == _GUIDE)
