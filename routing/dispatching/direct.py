"""Dispatch without an agent: what stands in the direct-dispatch list goes to its grid or unit at once (QH-4b).

Only an accepted ticket whose matter and place are certain; everything that needs a judgement stays with people:
emergencies, discipline, confidentiality, what may be told a second time, what has a final opinion.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import select

from routing.centre import Centre
from routing.dispatching.direct_list import DirectDispatch, Item
from routing.dispatching.merging import candidates
from routing.dispatching.opinions import applying
from routing.dispatching.whereabouts import entry
from routing.jurisdiction import Jurisdiction
from routing.life.changing import THE_MACHINE
from routing.life.dispatch import dispatch
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import NoSuchTicket, TicketError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Direct:
    """Where a ticket goes by the list: the unit and why; or no unit, and why a person dispatches it."""

    unit: str
    reason: str


async def by_list(centre: Centre, found: DirectDispatch | None, ticket_id: str) -> Direct:
    """Where this ticket goes by the list. Changes nothing. Raises NoSuchTicket."""
    async with centre.db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
    if ticket is None:
        raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
    if found is None:
        return Direct("", "没有直派清单")
    if why_not := _needs_a_person(centre.jurisdiction, ticket):
        return Direct("", why_not)
    item = found.item(ticket.matter, ticket.place)
    if item is None:
        return Direct("", "事项不在直派清单里")
    unit = _unit(centre.jurisdiction, item, ticket)
    if not unit:
        return Direct("", f"“{ticket.place}”的属地单位不确定")
    if like := await candidates(centre, ticket_id, limit=1):
        return Direct("", f"可能与工单 {like[0].serial} 是同一事项，由人决定是否并入")
    if await applying(centre, ticket_id):
        return Direct("", "同一事项已有最终处理意见")
    name = centre.jurisdiction.units[unit].name
    return Direct(unit, f"直派清单：“{centre.jurisdiction.name_of('matter', ticket.matter)}”派{name}（{found.source}）")


async def dispatch_directly(
    centre: Centre, found: DirectDispatch | None, ticket_id: str, version: int
) -> Ticket | None:
    """Dispatch by the list; None when a person has to. Safe to be asked for twice: the second one finds it dispatched.

    Raises NoSuchTicket, TicketChanged, and what routing.life.dispatch.dispatch raises.
    """
    direct = await by_list(centre, found, ticket_id)
    if not direct.unit:
        return None
    return await dispatch(centre, ticket_id, version, THE_MACHINE, lead=direct.unit, why=direct.reason, direct=True)


async def dispatch_waiting(
    centre: Centre, found: DirectDispatch | None, *, limit: int = 200, even_inferred: bool = False
) -> list[Ticket]:
    """Dispatch all accepted tickets that the list decides, the oldest first; what somebody else takes meanwhile is
    theirs. Safe to run twice at once. A list that no authority has issued is carried out only when a person says so.
    """
    if found is None or (found.inferred and not even_inferred):
        return []
    query = (
        select(Ticket.id, Ticket.version)
        .where(
            Ticket.state == "accepted",
            Ticket.jurisdiction == centre.jurisdiction.id,
            Ticket.matter.in_([item.matter for item in found.items]),
        )
        .order_by(Ticket.created_at)
        .limit(limit)
    )
    async with centre.db.session() as session:
        waiting = (await session.execute(query)).all()
    done = []
    for ticket_id, version in waiting:
        try:
            ticket = await dispatch_directly(centre, found, ticket_id, version)
        except TicketError as problem:
            # Somebody else was quicker, or something is missing that a person has to add: it stays with people.
            log.info("not dispatched directly", ticket=ticket_id, code=problem.code)
            continue
        if ticket is not None:
            done.append(ticket)
    return done


def _needs_a_person(jurisdiction: Jurisdiction, ticket: Ticket) -> str:
    """Why the list does not decide; empty when it may."""
    if ticket.state != "accepted":
        return "只有已受理、未派单的工单才直派"
    if ticket.urgency != jurisdiction.urgencies[0].id:
        return "应急类、指引类由人派单"
    if ticket.restricted_to or ticket.identity_secret or ticket.content_secret:
        return "保密的工单由人派单"
    if not ticket.matter:
        return "事项没有确定"
    if entry(jurisdiction, ticket.place) is None:
        return "地点没有确定"
    return ""


def _unit(jurisdiction: Jurisdiction, item: Item, ticket: Ticket) -> str:
    if item.to == "unit":
        return item.unit or ""
    place = entry(jurisdiction, ticket.place)
    return place.unit or "" if place is not None else ""
