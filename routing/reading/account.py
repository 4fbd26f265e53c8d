"""What the machine makes of a call, as one plain object: `server.py propose` prints it, the evaluation measures it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from routing.jurisdiction import Jurisdiction
from routing.reading.elements import Element, Elements, extract
from routing.reading.proposal import MatterProposal, Proposal, propose
from routing.reading.scope import GUIDE, REFUSE
from routing.reading.spoken import Heard


def account(heard: Sequence[Heard], jurisdiction: Jurisdiction, called_at: datetime) -> dict[str, Any]:
    """Scope, elements and matters of a transcript, ready for JSON; `called_at` is aware. Pure.

    `lines` are those that the caller should be connected to at once, `line` the first of them. The first matter is
    the main one. What nobody said is null or empty.
    """
    elements = extract(heard, jurisdiction, called_at)
    proposal = propose(heard, elements, jurisdiction)
    scope = proposal.scope[0].id
    lines = _lines(proposal)
    return {
        "scope": scope,
        "refuse_ground": proposal.refuse_grounds[0].id if scope == REFUSE else None,
        "line": lines[0] if lines else None,
        "lines": lines,
        "place": _place(elements),
        "time": _said(elements.time),
        "persons": _persons(elements),
        "callback_number": elements.callback_number.value if elements.callback_number else None,
        "demand": _said(elements.demand),
        "matters": [_matter(one) for one in (proposal.main, *proposal.others) if one is not None],
    }


def _lines(proposal: Proposal) -> list[str]:
    """The emergency lines, when the danger is more likely than not; 114 helps nobody in danger and is a scope."""
    ordinary = next(one.score for one in proposal.urgencies if not one.words)
    if not any(one.id == GUIDE and one.score > ordinary for one in proposal.urgencies):
        return []
    return [one.id for one in proposal.lines]


def _place(elements: Elements) -> dict[str, Any] | None:
    if elements.place is None:
        return None
    place = elements.recognised_place
    unit = place.unit if place else None
    ask = [one.name for one in elements.place_candidates]
    return {"unit": unit, "id": unit, **_value(elements.place), "ask": ask}


def _persons(elements: Elements) -> list[dict[str, Any]]:
    if elements.person is None:
        return []
    name = elements.person.value.partition("（")[0]
    if name.startswith("要求"):
        name = ""
    return [{**_value(elements.person), "value": name, "wishes": sorted(elements.wishes)}]


def _said(element: Element | None) -> dict[str, Any] | None:
    return _value(element) if element else None


def _value(element: Element) -> dict[str, Any]:
    return {"value": element.value, "words": list(element.words), "confidence": element.confidence}


def _matter(one: MatterProposal) -> dict[str, Any]:
    return {
        "matter": one.matter or None,
        "intent": one.intent or None,
        "urgency": one.urgency,
        "class": one.handling_class or None,
        "units": list(one.units),
        "territorial": one.territorial or None,
        "words": list(one.words),
        "confidence": one.confidence,
    }
