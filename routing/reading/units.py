"""Which units handle a matter: the functional one and the territorial one side by side (YZ-14(2))."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from routing.jurisdiction import Jurisdiction, Matter, Place
from routing.reading.elements import Element
from routing.reading.matters import Matters, weight_of
from routing.reading.pieces import Piece
from routing.reading.ranked import SHOWN, Ranked, Tally, quoted
from routing.reading.spoken import Found, Phrases

_ASSISTS = 0.8
"""What a unit is worth beside the one before it in a matter's list."""
_NAMED_UNIT = 0.3
"""A unit that the caller names is a hint, not more: callers name the wrong one in good faith."""

_HEARD = 0.6
"""The score of what was heard beyond doubt."""
_SOME = 3
"""So many units are named where there are so many: the first guess may be wrong."""


def functional_units(
    pieces: Sequence[Piece], matters: Matters, territorial: tuple[Ranked, ...], jurisdiction: Jurisdiction
) -> tuple[Ranked, ...]:
    """The units that handle such matters, and those that the caller names; the likeliest first."""
    best: dict[str, Ranked] = {}

    def offer(unit: str, score: float, words: tuple[str, ...], reason: str, utterances: tuple[int, ...]) -> None:
        if unit not in best or best[unit].score < score:
            name = jurisdiction.units[unit].name
            best[unit] = Ranked(unit, name, round(score, 3), words, reason, utterances)

    mentions = _mentioned_units(pieces, jurisdiction)
    for matter, tally in matters:
        words, numbers, score = tally.all_words, tuple(tally.utterances), tally.score
        because = f"{quoted(words)}属于“{matter.name}”"
        for gap in jurisdiction.gaps:
            if gap.id == matter.gap and gap.unit is not None:
                offer(gap.unit, score, words, f"{because}；{gap.reason}（{gap.article}）", numbers)
        if matter.territorial_leads and territorial:
            reason = f"{because}，由属地办理（{jurisdiction.routing_article}）"
            offer(territorial[0].id, score, words, reason, numbers)
            score *= _ASSISTS
        if matter.named_unit_handles:
            if territorial:
                reason = f"{because}，来电说的地方由其管辖（{jurisdiction.routing_article}）"
                offer(territorial[0].id, score * _ASSISTS, words, reason, numbers)
            for unit, mention in mentions.items():
                reason = f"{because}，来电说的是{quoted(tuple(mention.words))}（{jurisdiction.article_of_unit[unit]}）"
                offer(unit, score, (*words, *mention.words), reason, numbers)
        for unit in matter.units:
            reason = f"{because}，{jurisdiction.matters_source}（{jurisdiction.article_of_unit[unit]}）"
            offer(unit, score, words, reason, numbers)
            score *= _ASSISTS
    for unit, mention in mentions.items():
        reason = f"来电提到{quoted(tuple(mention.words))}（{jurisdiction.article_of_unit[unit]}）"
        offer(unit, _NAMED_UNIT, tuple(mention.words), reason, tuple(mention.utterances))
    return tuple(sorted(best.values(), key=lambda one: -one.score)[:SHOWN])


def proposed(
    found: Sequence[Ranked], territorial: Sequence[Ranked], matters: Matters, jurisdiction: Jurisdiction
) -> tuple[str, ...]:
    """The ids of the units found, best first, and of the territorial unit behind them; every one has its reason.

    Where nobody handles the matter (the centre answers it itself, a line does), only those of which much was heard.
    """
    if matters and _is_nobodys(matters[0][0], jurisdiction):
        return tuple(one.id for one in found if one.score >= _HEARD)
    likely = [one for position, one in enumerate(found) if position < _SOME or one.score >= _HEARD]
    return tuple(dict.fromkeys([*(one.id for one in likely), *(one.id for one in territorial if matters)]))


def _is_nobodys(matter: Matter, jurisdiction: Jurisdiction) -> bool:
    """Whether neither a unit nor a platform of the jurisdiction handles it."""
    outside = any(gap.id == matter.gap and gap.unit is not None for gap in jurisdiction.gaps)
    return not (matter.units or outside or matter.territorial_leads or matter.named_unit_handles)


def territorial_units(
    place: Place | None, said: Element | None, matters: Matters, jurisdiction: Jurisdiction
) -> tuple[Ranked, ...]:
    """The unit of a recognised place; `said` is the place in the caller's words."""
    if place is None or place.unit is None or said is None:
        return ()
    unit = jurisdiction.units[place.unit]
    role = ""
    if matters:
        matter = matters[0][0]
        if matter.territorial_leads:
            role = "，属地主办"
        elif matter.territorial_assists:
            role = "，属地协办"
    articles = f"{jurisdiction.article_of_unit[unit.id]}；{jurisdiction.routing_article}"
    reason = f"“{said.value}”属{unit.short}（{articles}）{role}"
    return (Ranked(unit.id, unit.name, said.confidence, said.words, reason, said.utterances),)


def _mentioned_units(pieces: Sequence[Piece], jurisdiction: Jurisdiction) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    for piece in pieces:
        for found in _mentions(jurisdiction, piece.text):
            for unit in found.payloads:
                weight = weight_of(found.phrase, is_hint=False)
                tallies.setdefault(unit, Tally()).add(weight, found.phrase, piece.number)
    return tallies


@lru_cache(maxsize=4096)
def _mentions(jurisdiction: Jurisdiction, text: str) -> tuple[Found[str], ...]:
    return tuple(_phrases(jurisdiction).find(text))


@lru_cache(maxsize=8)
def _phrases(jurisdiction: Jurisdiction) -> Phrases[str]:
    return Phrases((phrase, unit.id) for unit in jurisdiction.units.values() for phrase in unit.words)
