"""The first proposal for a call: its scope, and for each of its matters intent, urgency, matter and units, ranked.

A person decides (YZ-14 [H]); so every candidate says why, with the words that led to it and the article. By
YZ-14(2) a functional unit and a territorial unit are proposed side by side. One call may tell of several matters
(TP-12(3)): the first is the main one, which fills the ticket; the others are proposed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routing.jurisdiction import Jurisdiction
from routing.reading.elements import Element, Elements, Heard
from routing.reading.intents import intents_in
from routing.reading.matters import Matters, matters_in, named, ranked_matters
from routing.reading.pieces import Piece, pieces_of, telling
from routing.reading.places import place_of
from routing.reading.ranked import Ranked
from routing.reading.scope import GUIDE, grounds_in, scope_in
from routing.reading.several import told_apart
from routing.reading.spoken import plain
from routing.reading.units import functional_units, proposed, territorial_units
from routing.reading.urgencies import urgencies_in

__all__ = ["MatterProposal", "Proposal", "Ranked", "propose"]


@dataclass(frozen=True)
class MatterProposal:
    """One matter of a call: ids of the jurisdiction, empty where nothing was said; `units` best first."""

    matter: str
    intent: str
    urgency: str
    handling_class: str
    units: tuple[str, ...]
    territorial: str
    words: tuple[str, ...]
    confidence: float
    utterances: tuple[int, ...]
    told: tuple[Heard, ...] = ()
    """What the caller said of it, with what belongs to no other matter of the call."""


@dataclass(frozen=True)
class Proposal:
    """Candidates, best first. `lines` are the lines the caller should be told of and connected to.

    The rankings are those of the main matter, the urgencies and the lines those of the whole call.
    """

    intents: tuple[Ranked, ...] = ()
    urgencies: tuple[Ranked, ...] = ()
    matters: tuple[Ranked, ...] = ()
    functional_units: tuple[Ranked, ...] = ()
    territorial_units: tuple[Ranked, ...] = ()
    lines: tuple[Ranked, ...] = ()
    scope: tuple[Ranked, ...] = ()
    """Ids accept, refuse, transfer_114, transfer_emergency, clarify; never empty."""
    refuse_grounds: tuple[Ranked, ...] = ()
    main: MatterProposal | None = None
    others: tuple[MatterProposal, ...] = ()

    def named(self) -> dict[str, tuple[Ranked, ...]]:
        """The rankings by the names of the ticket's fields."""
        return {
            "intent": self.intents,
            "urgency": self.urgencies,
            "matter": self.matters,
            "functional_unit": self.functional_units,
            "territorial_unit": self.territorial_units,
        }


def propose(utterances: Sequence[Heard], elements: Elements, jurisdiction: Jurisdiction) -> Proposal:
    """The proposal for a transcript and its elements. Pure; empty rankings where nothing was said."""
    pieces = pieces_of(utterances)
    main, *rest = told_apart(pieces, jurisdiction)
    whole = [Piece(heard.number, plain(heard.text)) for heard in telling(utterances)]
    matters = matters_in(main, jurisdiction)
    urgencies, lines = urgencies_in(whole, matters, jurisdiction)
    intents = intents_in(main, matters, _danger(urgencies), jurisdiction)
    territorial = territorial_units(elements.recognised_place, elements.place, matters, jurisdiction)
    functional = functional_units(main, matters, territorial, jurisdiction)
    grounds = grounds_in(whole, elements, intents, matters, jurisdiction, utterances)
    return Proposal(
        intents=intents,
        urgencies=urgencies,
        matters=ranked_matters(matters, jurisdiction),
        functional_units=functional,
        territorial_units=territorial,
        lines=lines,
        scope=scope_in(whole, urgencies, matters, grounds, jurisdiction),
        refuse_grounds=grounds,
        main=_summed_up(_told(main, utterances), intents, urgencies, matters, functional, territorial, jurisdiction),
        others=tuple(
            one for those in rest if (one := _other(those, utterances, elements, jurisdiction)) and one.matter
        ),
    )


def _other(
    pieces: Sequence[Piece], utterances: Sequence[Heard], elements: Elements, jurisdiction: Jurisdiction
) -> MatterProposal | None:
    """A further matter, read from its own pieces; its place is the call's where it names none."""
    told = _told(pieces, utterances)
    place, said = elements.recognised_place, elements.place
    if own := place_of(told, jurisdiction):
        place, said = own.place, Element(own.value, own.words, own.confidence, own.utterances)
    matters = matters_in(pieces, jurisdiction)
    urgencies, _ = urgencies_in(pieces, matters, jurisdiction)
    intents = intents_in(pieces, matters, _danger(urgencies), jurisdiction)
    territorial = territorial_units(place, said, matters, jurisdiction)
    functional = functional_units(pieces, matters, territorial, jurisdiction)
    return _summed_up(told, intents, urgencies, matters, functional, territorial, jurisdiction)


def _told(pieces: Sequence[Piece], utterances: Sequence[Heard]) -> tuple[Heard, ...]:
    at = {heard.number: heard for heard in utterances}
    return tuple(Heard(piece.number, "caller", piece.said, at[piece.number].at) for piece in pieces)


def _danger(urgencies: Sequence[Ranked]) -> Ranked | None:
    """What calls for a line, when that is likelier than not."""
    return urgencies[0] if urgencies[0].id == GUIDE else None


def _summed_up(
    told: tuple[Heard, ...],
    intents: Sequence[Ranked],
    urgencies: Sequence[Ranked],
    matters: Matters,
    functional: Sequence[Ranked],
    territorial: Sequence[Ranked],
    jurisdiction: Jurisdiction,
) -> MatterProposal | None:
    """The best of each ranking; None when neither a matter nor a danger was heard."""
    best = named(matters)
    if not best and len(urgencies) < 2:
        return None
    matter, tally = best[0] if best else (None, None)
    return MatterProposal(
        matter=matter.id if matter else "",
        intent=intents[0].id if intents else "",
        urgency=urgencies[0].id,
        handling_class=matter.handling_class if matter else "",
        units=proposed(functional, territorial, best, jurisdiction),
        territorial=territorial[0].id if territorial else "",
        words=tally.all_words if tally else tuple(word for one in (*urgencies, *intents)[:2] for word in one.words),
        confidence=tally.score if tally else 0.0,
        utterances=tuple(tally.utterances) if tally else (),
        told=told,
    )
