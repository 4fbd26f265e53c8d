"""A further matter that the machine heard in a call: a person opens a ticket for it, the machine fills what it guesses.

The ticket of the call stays the first one's; the further one is linked to it (TP-12(3)), and through it to the call.
"""

from __future__ import annotations

from sqlalchemy import select

from routing.centre import Centre
from routing.dispatching.splitting import split
from routing.history import MACHINE
from routing.life.errors import BadValue
from routing.life.parts import SPLIT
from routing.life.tables import TicketLink
from routing.reading.elements import Heard, extract
from routing.reading.proposal import MatterProposal, propose
from routing.reading.statements import StatementHeard, event_of
from routing.storage import Call, Database, FieldValue, Ticket
from routing.tickets import Actor, NoSuchTicket, ticket, utterances

_RULE = "TP-12(3)"


async def open_further(centre: Centre, ticket_id: str, matter: str, actor: Actor) -> Ticket:
    """A draft for the further matter that was heard in this ticket's call; the first one's if it was opened before.

    Everything in it that no person has written is a machine's value, as in the first draft.
    Raises NoSuchTicket, BadValue (no such further matter was heard), and as `split`.
    """
    first = await ticket(centre.db, ticket_id)
    call = await call_of(centre.db, first) if first else None
    if first is None or call is None:
        raise NoSuchTicket(f"没有编号为 {ticket_id[:60]} 的来电工单")
    for known in await further_of(centre.db, ticket_id):
        if known.fields["matter"]["value"] == matter:
            return known
    said = await utterances(centre.db, call.call_id)
    heard = [Heard(one.id, one.speaker, one.text, one.at) for one in said]
    elements = extract(heard, centre.jurisdiction, call.arrived_at)
    others = propose(heard, elements, centre.jurisdiction).others
    found = next((one for one in others if one.matter == matter), None)
    if found is None:
        raise BadValue("通话里没有（或不再）听到这件事情，请按来电人说的另立工单", rule=_RULE, field="matter")
    event = event_of(found.told, centre.jurisdiction)
    return await split(centre, ticket_id, None, actor, {}, guesses=_guesses(found, event))


def _guesses(found: MatterProposal, event: StatementHeard | None) -> dict[str, FieldValue]:
    values = {
        # Where no sentence can be made of it, the words that named the matter are what was said of it.
        "event": event.value if event else "、".join(found.words),
        "matter": found.matter,
        "intent": found.intent,
        "urgency": found.urgency,
        "functional_unit": next((unit for unit in found.units if unit != found.territorial), ""),
        "territorial_unit": found.territorial,
    }
    return {
        name: FieldValue(
            value=value,
            source="machine",
            words=list(event.words if event and name == "event" else found.words),
            confidence=event.confidence if event and name == "event" else found.confidence,
            utterances=list(found.utterances),
            by=MACHINE,
        )
        for name, value in values.items()
        if value
    }


async def call_of(db: Database, of: Ticket) -> Call | None:
    """The call that a ticket came of: its own, or that of the ticket which it was split from."""
    async with db.session() as session:
        if of.call_id:
            return await session.get(Call, of.call_id)
        first = select(Ticket.call_id).join(TicketLink, TicketLink.to_ticket_id == Ticket.id)
        call_id = await session.scalar(first.where(TicketLink.ticket_id == of.id, TicketLink.kind == SPLIT))
        return await session.get(Call, call_id) if call_id else None


async def further_of(db: Database, ticket_id: str) -> list[Ticket]:
    """The tickets that were opened for further matters of this one's call, the oldest first."""
    query = select(Ticket).join(TicketLink, TicketLink.ticket_id == Ticket.id)
    wanted = query.where(TicketLink.to_ticket_id == ticket_id, TicketLink.kind == SPLIT)
    async with db.session() as session:
        return list(await session.scalars(wanted.order_by(Ticket.created_at, Ticket.serial)))
