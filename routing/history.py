"""Lines of a ticket's history. A change of a ticket and its lines are written in one transaction."""

from __future__ import annotations

from datetime import datetime

from routing.storage import Ticket, TicketChange

MACHINE = "machine"
"""The actor of changes that no person made."""


def line(
    ticket: Ticket,
    at: datetime,
    actor: str,
    action: str,
    *,
    field: str = "",
    before: str = "",
    after: str = "",
    why: str = "",
    rule: str = "",
) -> TicketChange:
    """A line for the change that is being made: it carries the ticket's version as it is now."""
    return TicketChange(
        ticket_id=ticket.id,
        version=ticket.version,
        at=at,
        actor=actor,
        action=action,
        field=field,
        before=before,
        after=after,
        why=why,
        rule=rule,
    )


def set_attention(
    ticket: Ticket, reason: str, at: datetime, actor: str, *, why: str = "", rule: str = ""
) -> TicketChange:
    """Put a ticket on the supervisor's list for `reason`, or take it off (empty), and say so in its history."""
    made = line(ticket, at, actor, "attention", before=ticket.attention, after=reason, why=why, rule=rule)
    ticket.attention = reason
    return made
