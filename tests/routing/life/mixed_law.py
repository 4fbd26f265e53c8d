"""Yazhou's units and matters under another document's provisions: the documents without a catalogue have none."""

from __future__ import annotations

from typing import Any

from routing.jurisdiction import Jurisdiction
from routing.law.provisions import LawOverTime
from tests.routing.life.conftest import jurisdiction


def yazhou_with(of: str, *parts: str, **given: Any) -> Jurisdiction:
    """Yazhou, with these parts of the law of another jurisdiction, and those that the test gives."""
    own, other = jurisdiction("yazhou"), jurisdiction(of)
    kept = {name: getattr(own.law, name) for name in LawOverTime.model_fields}
    law = LawOverTime(**(kept | {part: getattr(other.law, part) for part in parts} | given))
    return own.model_copy(update={"law": law})
