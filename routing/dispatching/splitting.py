"""One call, several matters: each that has a unit of its own becomes a ticket of its own (TP-12(3)).

The new ticket has the caller of the first one, who is called back about each; what they want kept secret stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from routing.centre import Centre
from routing.history import line
from routing.life.changing import changing
from routing.life.errors import Missing
from routing.life.parts import SPLIT
from routing.life.tables import TicketLink
from routing.serials import next_serial
from routing.storage import FieldValue, Ticket
from routing.tickets import Actor, checked_values, write_values

CARRIED = ("time", "place", "person", "callback_number")
"""Fields that the second matter has from the first where nothing else is given."""


async def split(
    centre: Centre,
    ticket_id: str,
    version: int | None,
    actor: Actor,
    values: Mapping[str, str],
    *,
    guesses: Mapping[str, FieldValue] = MappingProxyType({}),
) -> Ticket:
    """A new draft for another matter of the same call; `values` are its fields, `guesses` what the machine made of the
    others, the event at least. Without a version it comes from the middle of a call.

    Raises Missing, BadField, IllegalTransition, NotAllowed, NoSuchTicket, TicketChanged.
    """
    checked = checked_values(dict(values), centre.jurisdiction)
    async with changing(centre, ticket_id, version, actor) as change:
        first, joint = change.ticket, change.law.joint
        rule = joint.rule if joint is not None and joint.separately else ""
        step = change.may("link", rule=rule)
        rule = rule or step.rule(centre.jurisdiction.prefix)
        if not checked.get("event") and "event" not in guesses:
            raise Missing("请写明另一件事情", rule=rule, field="event")
        made = Ticket(
            serial=await next_serial(change.session, centre.jurisdiction, change.at),
            call_id=None,
            jurisdiction=first.jurisdiction,
            channel=first.channel,
            called_number=first.called_number,
            caller_number=first.caller_number,
            caller_key=first.caller_key,
            anonymous=first.anonymous,
            identity_secret=first.identity_secret,
            content_secret=first.content_secret,
            restricted_to=first.restricted_to,
            created_at=change.at,
            updated_at=change.at,
        )
        change.session.add(made)
        await change.session.flush()  # the history's lines name the ticket by the id that it is given here
        change.session.add(line(made, change.at, actor.name, "opened", after=made.serial, why=first.serial, rule=rule))
        carried = {name: first.fields[name]["value"] for name in CARRIED}
        made.fields = {**made.fields, **guesses}
        known = {name: text for name, text in carried.items() if text and name not in guesses}
        write_values(change.session, made, known | checked, actor)
        why = f"同一次来电的另一件事情，另立工单 {made.serial}"
        change.session.add(
            TicketLink(ticket_id=made.id, to_ticket_id=first.id, kind=SPLIT, at=change.at, by=actor.name, why=why)
        )
        change.transition("link", name=SPLIT, after=made.serial, rule=rule, why=why)
    return made
