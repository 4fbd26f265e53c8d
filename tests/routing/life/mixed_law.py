"""Yazhou's units and matters under another document's provisions: the documents without a catalogue have none."""

from __future__ import annotations

from typing import Any

from routing.jurisdiction import Jurisdiction
from routing.law.law import LawOverTime
from tests.routing.life.conftest import jurisdiction


def yazhou_with(of: str, *parts: str, **given: Any) -> Jurisdiction:
    """Yazhou, with these parts of the law of another jurisdiction, and those that the test gives."""
    return law_with("yazhou", **({part: getattr(jurisdiction(of).law, part) for part in parts} | given))


def law_with(name: str, **given: Any) -> Jurisdiction:
    """A jurisdiction with those parts of its law that the test gives."""
    own = jurisdiction(name)
    kept = {name: getattr(own.law, name) for name in LawOverTime.model_fields}
    return own.model_copy(update={"law": LawOverTime(**(kept | given))})
