"""Which matters of the catalogue a caller speaks of: the centre's words, and likeness to what others have said.

Four sources, each with its weight: words (they name the matter), wordings (everyday speech), hints and context (they
only support it), and the classifier, which knows sentences of which no word is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import Jurisdiction, Matter
from routing.reading import learned
from routing.reading.matter_words import danger_words, matter_words, undenied
from routing.reading.pieces import Piece
from routing.reading.ranked import SHOWN, Ranked, Tally
from routing.reading.wordings import Wordings

Matters = list[tuple[Matter, Tally]]
"""Matters with what speaks for them, the likeliest first."""

_WORD, _WORDING, _HINT, _CONTEXT = 1.0, 0.8, 0.3, 0.35
_LEARNED = 3.0
"""What the classifier's certainty weighs; its doubts weigh their share of it."""
_LEAST = 0.03
_DANGER = 1.5
"""A danger heard says what it is about: see the matters' `dangers`."""
_EACH_CHARACTER = 0.15
"""A longer phrase says more: what it weighs beyond two characters."""
_LONGEST = 6
_TRACE = 0.4
"""A piece that says less for a matter says nothing."""
_NAMED = 0.75
"""Less than this names no matter: 孩子 or 公司 are in half of all calls."""


@dataclass(frozen=True)
class Evidence:
    """What one phrase of a piece weighs for a matter; `alike`: the classifier says so."""

    matter: str
    weight: float
    words: tuple[str, ...]
    alike: bool = False


def weight_of(phrase: str, *, is_hint: bool) -> float:
    """What a phrase of the configuration weighs."""
    return (_HINT if is_hint else _WORD) * _length(phrase)


def matters_in(pieces: Sequence[Piece], jurisdiction: Jurisdiction) -> Matters:
    """The matters that are spoken of, and behind them those of which there is a trace: see `named`."""
    tallies: dict[str, Tally] = {}
    for piece in pieces:
        for one in evidence_in(jurisdiction, piece.text):
            tally = tallies.setdefault(one.matter, Tally())
            if one.alike:
                tally.add_alike(one.weight, one.words, piece.number)
            else:
                tally.add(one.weight, one.words[0], piece.number)
    matters = _by_id(jurisdiction)
    found = [(matters[matter], tally) for matter, tally in tallies.items()]
    return sorted(found, key=lambda one: -one[1].weight)[:SHOWN]


def named(matters: Matters) -> Matters:
    """Those that were named, by a word or by much that points to them; the others help to find units only."""
    return [(matter, tally) for matter, tally in matters if tally.weight >= _NAMED]


def ranked_matters(matters: Matters, jurisdiction: Jurisdiction) -> tuple[Ranked, ...]:
    """As they are shown to the agent."""
    return tuple(
        Ranked(
            matter.id,
            matter.name,
            tally.score,
            tally.all_words,
            f"{tally.because}；受理范围 {matter.scope}；{jurisdiction.matters_source}",
            tuple(tally.utterances),
        )
        for matter, tally in named(matters)
    )


@lru_cache(maxsize=4096)
def alone_in(jurisdiction: Jurisdiction, text: str) -> tuple[Matter, float] | None:
    """The matter that a plain text alone speaks of most, and its weight; None where it speaks of none.

    What was said before does not change it, so it is added up once for a call.
    """
    found = matters_in([Piece(0, text)], jurisdiction)[:1]
    return (found[0][0], found[0][1].weight) if found else None


@lru_cache(maxsize=4096)
def evidence_in(jurisdiction: Jurisdiction, text: str) -> tuple[Evidence, ...]:
    """All that a plain text says for matters."""
    found: list[Evidence] = []
    for phrase in matter_words(jurisdiction, text):
        for word in phrase.payloads:
            weight = weight_of(phrase.phrase, is_hint=word.is_hint)
            found.append(Evidence(word.matter.id, weight, (phrase.phrase,)))
    left = undenied(jurisdiction, text)
    for said in _wordings(jurisdiction).find(left):
        matter, is_context = said.payloads[0]
        weight = _CONTEXT if is_context else _WORDING * _length(said.phrase)
        found.append(Evidence(matter, weight, (said.phrase,)))
    for danger in danger_words(jurisdiction, text):
        # What sounds like a danger is known by its line alone.
        about = danger.hint.lines[0] if danger.alike and danger.hint.lines else danger.hint.reason
        for one in _of_danger(jurisdiction).get(about, ()):
            found.append(Evidence(one, _DANGER * danger.weight, (danger.phrase,)))
    known = _by_id(jurisdiction)
    for guess in learned.matters(left) if known else ():
        if guess.id in known and guess.probability >= _LEAST:
            found.append(Evidence(guess.id, _LEARNED * guess.probability, guess.words, alike=True))
    total: dict[str, float] = {}
    for each in found:
        total[each.matter] = total.get(each.matter, 0.0) + each.weight
    return tuple(each for each in found if total[each.matter] >= _TRACE)


def _length(phrase: str) -> float:
    return 1 + _EACH_CHARACTER * (min(len(phrase), _LONGEST) - 2)


@lru_cache(maxsize=8)
def _by_id(jurisdiction: Jurisdiction) -> dict[str, Matter]:
    return {matter.id: matter for matter in jurisdiction.matters}


@lru_cache(maxsize=8)
def _of_danger(jurisdiction: Jurisdiction) -> dict[str, tuple[str, ...]]:
    reasons = {reason for matter in jurisdiction.matters for reason in matter.dangers}
    return {one: tuple(m.id for m in jurisdiction.matters if one in m.dangers) for one in reasons}


@lru_cache(maxsize=8)
def _wordings(jurisdiction: Jurisdiction) -> Wordings[tuple[str, bool]]:
    return Wordings(
        (wording, (matter.id, is_context))
        for matter in jurisdiction.matters
        for is_context, wordings in ((False, matter.wordings), (True, matter.context))
        for wording in wordings
    )
