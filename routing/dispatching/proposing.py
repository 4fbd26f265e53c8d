"""The units for one ticket as it stands: what the form says, who gave it back, whose leader took the call."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from routing.centre import Centre
from routing.dispatching.leader_calls import unit_of
from routing.dispatching.owners import Facts, Owner, Owners, lead_after_returns, owners_of
from routing.life.tables import Return
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import NoSuchTicket


@dataclass(frozen=True)
class Proposed:
    """`owners`: lead and assisting. `verifies`: who may lead the verifying after returns by several units (YZ-21)."""

    owners: Owners
    verifies: tuple[Owner, ...]


async def for_ticket(centre: Centre, ticket_id: str) -> Proposed:
    """The proposal for a ticket; a person decides. Raises NoSuchTicket."""
    async with centre.db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
        accepted = select(Return.unit).where(Return.ticket_id == ticket_id, Return.decision == "accepted")
        returned = list(await session.scalars(accepted.order_by(Return.id)))
    facts = facts_of(ticket, returned, await unit_of(centre, ticket_id))
    today = centre.calendar.day_of(centre.now())
    return Proposed(
        owners_of(centre.jurisdiction, facts, today),
        lead_after_returns(centre.jurisdiction, facts, returned, today),
    )


def facts_of(ticket: Ticket, returned: list[str], leader_unit: str) -> Facts:
    """What a ticket says, from its columns; while it is a draft, from its form."""

    def written(name: str) -> str:
        return ticket.fields[name]["value"]

    # A functional unit that a person wrote into the form is one that they mean; the machine's own proposal is not.
    field = ticket.fields["functional_unit"]
    named = (field["value"],) if field["value"] and field["source"] == "agent" else ()
    return Facts(
        matter=ticket.matter or written("matter"),
        place=ticket.place or written("place"),
        intent=ticket.intent or written("intent"),
        urgency=ticket.urgency or written("urgency"),
        handling_class=ticket.handling_class,
        named=named,
        gave_back=tuple(returned),
        leader_unit=leader_unit,
    )
