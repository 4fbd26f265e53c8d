"""One call, several matters: where the caller turns from one to another.

One matter told in different words must stay one: a call that is wrongly split costs two units a visit, a matter that
was overlooked is still in the transcript and in the agent's ear. So a part is told apart only when it names a matter
with certainty that nothing before it pointed to; surer still, when the same unit would lead both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from routing.jurisdiction import Jurisdiction, Matter
from routing.reading.matter_words import matter_words
from routing.reading.matters import alone_in, matters_in, named
from routing.reading.pieces import Piece, joined

_ANNOUNCED, _FURTHER, _ADDED = 1.0, 2.0, 3.2
"""What a part must weigh for its own matter: after 另外, after 还有, and after 又 or in another breath, which often
go on.
"""
_SAME_UNIT = 0.5
"""What it must weigh beyond that where the same unit would lead."""
_AS_LIKELY = 0.3
"""What a matter must weigh beside the likeliest to be what the part before may have been about."""
_FURTHER_WORDS = ("还有", "以及", "然后还有")


@dataclass(frozen=True)
class _Told:
    """What was told so far: the likely matters, those of which there is a trace, who would lead the likeliest two."""

    matters: frozenset[str]
    traces: frozenset[str]
    leads: frozenset[str]


def told_apart(pieces: Sequence[Piece], jurisdiction: Jurisdiction) -> list[list[Piece]]:
    """The pieces of each matter, the main one first; at least one list, empty when nothing was said."""
    groups: list[list[Piece]] = [[]]
    announced = False
    for piece in _with_subjects(pieces, jurisdiction):
        announced = announced or piece.turns
        further = announced or piece.text.startswith(_FURTHER_WORDS)
        bar = _ANNOUNCED if announced else _FURTHER if further else _ADDED
        now = alone_in(jurisdiction, piece.text)
        if now is None or now[1] < bar or not groups[-1] or not (announced or (piece.adds and not now[0].line)):
            # What is not announced and is a danger belongs to the same story.
            groups[-1].append(piece)
            continue
        matter, weight = now
        same = [
            group
            for group in groups
            if not _is_another(group, matter, jurisdiction, sure=further and weight >= bar + _SAME_UNIT)
        ]
        if same:
            # The caller comes back to what was told before.
            same[-1].append(piece)
        else:
            groups.append([piece])
            announced = False
    return [joined(group) for group in groups]


def _with_subjects(pieces: Sequence[Piece], jurisdiction: Jurisdiction) -> list[Piece]:
    """The pieces with what they speak of: 电梯 in 外墙掉瓷砖电梯也停 stands before the word that parts them."""
    whole = list(pieces)
    for at, piece in enumerate(whole[1:], start=1):
        before = whole[at - 1]
        if piece.adds and before.number == piece.number and not piece.text.startswith(_FURTHER_WORDS):
            found = matter_words(jurisdiction, before.text)
            subject = found[-1].phrase if found else ""
            if subject and before.text != subject and before.said.endswith(subject):
                whole[at - 1] = before.without(subject)
                whole[at] = replace(piece, text=subject + piece.text, said=subject + piece.said)
    return whole


def _is_another(group: Sequence[Piece], matter: Matter, jurisdiction: Jurisdiction, *, sure: bool) -> bool:
    """Whether a part that speaks of `matter` speaks of something else than a group of pieces."""
    told = _told(tuple(group), jurisdiction)
    if not told.matters or matter.id in told.matters:
        return False
    if _lead(matter) in told.leads:
        return sure and matter.id not in told.traces
    return True


@lru_cache(maxsize=512)
def _told(pieces: tuple[Piece, ...], jurisdiction: Jurisdiction) -> _Told:
    """What pieces tell. What a caller began with stays the same while the call goes on, so it is added up once."""
    traced = matters_in(joined(pieces), jurisdiction)
    found = named(traced)
    likely = [matter for matter, tally in found if tally.weight >= found[0][1].weight * _AS_LIKELY]
    return _Told(
        frozenset(matter.id for matter in likely),
        frozenset(matter.id for matter, _ in traced),
        frozenset(_lead(matter) for matter in likely[:2]),
    )


def _lead(matter: Matter) -> str:
    """Who would lead."""
    if matter.territorial_leads:
        return "territorial"
    return matter.units[0] if matter.units else matter.gap or ""
