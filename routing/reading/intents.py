"""What a caller wants by the classes of YZ-14: what they say outright, how they say it, what the matter usually is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from routing.jurisdiction import Intent, Jurisdiction
from routing.reading import learned
from routing.reading.matters import Matters, named
from routing.reading.pieces import Piece
from routing.reading.ranked import Ranked, Tally
from routing.reading.spoken import Phrases
from routing.reading.wordings import Wordings

_WORD, _HINT, _WORDING = 1.2, 0.4, 0.65
_USUAL = 0.45
"""What the matter usually is counts less than what the caller says outright, and the first usual one most."""
_LEARNED = 2.0
_LEAST = 0.1
_DANGER = 1.0
"""Who is in danger wants help, however it is said."""
HELP = "help"


def intents_in(
    pieces: Sequence[Piece], matters: Matters, danger: Ranked | None, jurisdiction: Jurisdiction
) -> tuple[Ranked, ...]:
    """The intents, the likeliest first; `danger` is what calls for an emergency line, if anything does."""
    tallies: dict[str, Tally] = {}
    length = sum(len(piece.text) for piece in pieces)
    for piece in pieces:
        for intent_id, weight, words, alike in _said(jurisdiction, piece.text):
            tally = tallies.setdefault(intent_id, Tally())
            if alike:
                tally.add_alike(weight * len(piece.text) / length, words, piece.number)
            else:
                tally.add(weight, words[0], piece.number)
    if danger:
        tallies.setdefault(HELP, Tally()).add(_DANGER * danger.score**2, danger.words[0], danger.utterances[0])
    usual: dict[str, str] = {}
    if best := named(matters):
        matter, heaviest = best[0]
        for position, intent_id in enumerate(matter.intents):
            tallies.setdefault(intent_id, Tally()).weight += _USUAL / (1 + position) * heaviest.score
            usual[intent_id] = matter.name
    ranked = []
    for intent in jurisdiction.intents:
        if intent.id in tallies and tallies[intent.id].weight > 0:
            tally = tallies[intent.id]
            reasons = [tally.because] if tally.because else []
            if intent.id in usual:
                reasons.append(f"“{usual[intent.id]}”通常属于{intent.name}")
            reason = "；".join(reasons) + f"（{intent.article}）"
            ranked.append(Ranked(intent.id, intent.name, tally.score, tally.all_words, reason, tuple(tally.utterances)))
    return tuple(sorted(ranked, key=lambda one: -one.score))


@lru_cache(maxsize=4096)
def _said(jurisdiction: Jurisdiction, text: str) -> tuple[tuple[str, float, tuple[str, ...], bool], ...]:
    """What a piece says for an intent: its id, the weight, the words, whether by likeness."""
    said: list[tuple[str, float, tuple[str, ...], bool]] = [
        (intent.id, _HINT if is_hint else _WORD, (found.phrase,), False)
        for found in _phrases(jurisdiction).find(text)
        for intent, is_hint in found.payloads
    ]
    said += [
        (intent_id, _WORDING, (found.phrase,), False)
        for found in _wordings(jurisdiction).find(text)
        for intent_id in found.payloads
    ]
    known = {intent.id for intent in jurisdiction.intents}
    said += [
        (guess.id, _LEARNED * guess.probability, guess.words, True)
        for guess in learned.intents(text)
        if guess.words and guess.id in known and guess.probability >= _LEAST
    ]
    return tuple(said)


@lru_cache(maxsize=8)
def _phrases(jurisdiction: Jurisdiction) -> Phrases[tuple[Intent, bool]]:
    return Phrases(
        (phrase, (intent, is_hint))
        for intent in jurisdiction.intents
        for is_hint, phrases in ((False, intent.words), (True, intent.hints))
        for phrase in phrases
    )


@lru_cache(maxsize=8)
def _wordings(jurisdiction: Jurisdiction) -> Wordings[str]:
    return Wordings((wording, intent.id) for intent in jurisdiction.intents for wording in intent.wordings)
