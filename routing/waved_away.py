"""What the machine proposed for a draft and a person waved away: kept in its history, and not proposed again."""

from __future__ import annotations

from sqlalchemy import select

from ivr.events import now
from routing.history import line
from routing.life.intake import DISCIPLINE
from routing.storage import Database, Ticket, TicketChange
from routing.ticket_errors import AlreadyConfirmed, BadField, NoSuchTicket, quoted
from routing.tickets import Actor

SCOPE, PLACE, FURTHER = "scope", "place", "other_matter"
"""Names under which `Ticket.proposals` holds what is neither a value of a field nor a line to be connected."""

_ACTION = "waved_away"
_NAMES = {SCOPE: "scope_proposal", PLACE: "place_proposal", FURTHER: "further_proposal"}
"""As lines of history name them: not a field of the form, whose changes others have to see before they confirm."""


async def wave_away(db: Database, ticket_id: str, kind: str, chosen: str, actor: Actor) -> Ticket:
    """Note that `actor` does not follow the machine's proposal `chosen` of this `kind`. Doing it again changes nothing.

    Raises NoSuchTicket, BadField (no such proposal), AlreadyConfirmed (no draft any more).
    """
    async with db.begin() as session:
        ticket = await session.get(Ticket, ticket_id, with_for_update=True)
        if ticket is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
        if ticket.state != "draft":
            raise AlreadyConfirmed(f"工单 {ticket.serial} 已处理，不再有建议")
        names = {one["id"]: one["name"] for one in ticket.proposals.get(kind, [])}
        if kind == SCOPE:
            names[DISCIPLINE] = "转交纪检监察"
        if kind not in _NAMES or chosen not in names:
            raise BadField("这条建议已经没有了，请看现在的建议", field=kind[:60])
        known = select(TicketChange).where(TicketChange.ticket_id == ticket_id, TicketChange.action == _ACTION)
        if any((made.field, made.after) == (_NAMES[kind], chosen) for made in await session.scalars(known)):
            return ticket
        ticket.version += 1
        ticket.updated_at = now()
        why = f"不采纳机器的建议：{names[chosen]}"
        session.add(line(ticket, ticket.updated_at, actor.name, _ACTION, field=_NAMES[kind], after=chosen, why=why))
    return ticket


async def waved_away(db: Database, ticket_id: str) -> set[tuple[str, str]]:
    """(kind, id) of what was waved away."""
    kinds = {name: kind for kind, name in _NAMES.items()}
    query = select(TicketChange).where(TicketChange.ticket_id == ticket_id, TicketChange.action == _ACTION)
    async with db.session() as session:
        return {(kinds[made.field], made.after) for made in await session.scalars(query)}
