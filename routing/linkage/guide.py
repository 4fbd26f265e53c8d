"""The ticket of guide class (指引类) that every linkage has, however short the call was (YZ-14(5))."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from routing.history import MACHINE, line
from routing.jurisdiction import Jurisdiction
from routing.storage import FieldValue, Ticket

BY_LINKAGE = "linkage"
"""`by` of a field that a linkage has set: reading the transcript again does not take it back."""

_GUIDE = "guide"
_URGENCY = "urgency"


def note(session: AsyncSession, ticket: Ticket, at: datetime, action: str, *, after: str, why: str, rule: str) -> None:
    """A line of the ticket's history about its linkage."""
    ticket.version += 1
    ticket.updated_at = max(ticket.updated_at, at)
    session.add(line(ticket, at, MACHINE, action, after=after, why=why, rule=rule))


def make_guide(
    session: AsyncSession, ticket: Ticket, lines: Sequence[str], at: datetime, jurisdiction: Jurisdiction
) -> None:
    """Make the draft one of guide class, as part of the version that has been begun.

    What an agent has chosen stays, and so does a ticket that is no draft any more; a jurisdiction without this
    class keeps its own.
    """
    urgency = ticket.fields[_URGENCY]
    if ticket.state != "draft" or urgency["source"] == "agent" or not jurisdiction.allows(_URGENCY, _GUIDE):
        return
    words = sorted({*(urgency["words"] if urgency["by"] == BY_LINKAGE else ()), *lines})
    made = FieldValue(
        value=_GUIDE, source="machine", words=words, confidence=1.0, utterances=urgency["utterances"], by=BY_LINKAGE
    )
    ticket.fields = {**ticket.fields, _URGENCY: made}
    if urgency["value"] != _GUIDE:
        session.add(
            line(
                ticket,
                at,
                MACHINE,
                "filled",
                field=_URGENCY,
                before=urgency["value"],
                after=_GUIDE,
                why=f"三线联动：{'、'.join(words)}",
                rule=jurisdiction.emergency.article,
            )
        )
