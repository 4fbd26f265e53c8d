"""A ticket as one person may see it. Pages, lists, exports and the API show views, never tickets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.history import MACHINE
from routing.life.tables import Submission, Task
from routing.secrecy.rights import KIND_OF, Sight, Standing, sight, standing_of
from routing.storage import FIELDS, Call, Ticket, TicketChange
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket

CONFIDENTIAL = "（保密）"
STAFF = "工作人员"
_BLOT = "▇▇"
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[ -]?)?[0-9](?:[ -]?[0-9]){6,}")
"""Seven digits or more: a telephone, an identity card. Serial numbers begin with letters and stay."""
_SPOKEN_DIGITS = re.compile(r"[零〇一二三四五六七八九幺两](?:[ ，、]?[零〇一二三四五六七八九幺两]){6,}")


@dataclass(frozen=True)
class Value:
    """A field as this person sees it: the value, its mask, or `（保密）`."""

    text: str
    sight: Sight


@dataclass(frozen=True)
class Line:
    """A line of history as this person sees it."""

    version: int
    at: datetime
    actor: str
    action: str
    field: str
    before: str
    after: str
    why: str
    rule: str


@dataclass(frozen=True)
class TicketView:
    """A ticket as `actor` sees it. `fields`: those of the form; `result`: the unit's last result, field by field."""

    id: str
    serial: str
    state: str
    version: int
    standing: Standing
    identity_secret: bool
    content_secret: bool
    caller_number: Value
    fields: dict[str, Value]
    result: dict[str, Value]
    history: list[Line]


async def view(centre: Centre, ticket_id: str, actor: Actor) -> TicketView:
    """The ticket as `actor` may see it. Raises NoSuchTicket, also for one that does not exist for this person."""
    async with centre.db.session() as session:
        ticket, standing = await standing_to(session, centre, ticket_id, actor)
        lines = await session.scalars(
            select(TicketChange).where(TicketChange.ticket_id == ticket_id).order_by(TicketChange.id)
        )
        last = await session.scalar(
            select(Submission).where(Submission.ticket_id == ticket_id).order_by(Submission.id.desc()).limit(1)
        )
        return TicketView(
            id=ticket.id,
            serial=ticket.serial,
            state=ticket.state,
            version=ticket.version,
            standing=standing,
            identity_secret=ticket.identity_secret,
            content_secret=ticket.content_secret,
            caller_number=value_of(ticket, standing, "caller_number"),
            fields=fields_of(ticket, standing),
            result={name: shown(ticket, standing, "result", str(text)) for name, text in last.form.items()}
            if last
            else {},
            history=lines_of(ticket, standing, lines, actor, hide_staff=_hides_staff(centre)),
        )


async def standing_to(
    session: AsyncSession, centre: Centre, ticket_id: str, actor: Actor, *, lock: bool = False
) -> tuple[Ticket, Standing]:
    """The ticket and how `actor` stands to it. Raises NoSuchTicket when it does not exist for this person."""
    ticket = await session.get(Ticket, ticket_id, with_for_update=lock or None)
    if ticket is not None and ticket.jurisdiction == centre.jurisdiction.id:
        ((_, standing),) = await standings(session, [ticket], actor)
        if standing != "none":
            return ticket, standing
    raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")


async def standings(session: AsyncSession, tickets: Sequence[Ticket], actor: Actor) -> list[tuple[Ticket, Standing]]:
    """Each ticket and how `actor` stands to it, in two queries however many there are."""
    ids = [ticket.id for ticket in tickets]
    tasks: dict[str, list[Task]] = {}
    if actor.unit:
        for task in await session.scalars(select(Task).where(Task.ticket_id.in_(ids), Task.unit == actor.unit)):
            tasks.setdefault(task.ticket_id, []).append(task)
    calls = [ticket.call_id for ticket in tickets if ticket.call_id]
    found = await session.execute(select(Call.call_id, Call.agent).where(Call.call_id.in_(calls)))
    agents = {row.call_id: row.agent for row in found}
    return [
        (ticket, standing_of(ticket, actor, tasks.get(ticket.id, ()), agents.get(ticket.call_id or "", "")))
        for ticket in tickets
    ]


def fields_of(ticket: Ticket, standing: Standing) -> dict[str, Value]:
    """The fields of the form as somebody of this standing sees them."""
    return {name: value_of(ticket, standing, name) for name in FIELDS}


def value_of(ticket: Ticket, standing: Standing, field: str) -> Value:
    """One field of the form, or `caller_number`."""
    return shown(ticket, standing, field, text_of(ticket, field))


def shown(ticket: Ticket, standing: Standing, field: str, text: str) -> Value:
    """A text that belongs to `field`, as somebody of this standing sees it."""
    seen = sight(standing, ticket, field)
    if seen == "shown":
        return Value(_for(standing, ticket, text) if field in KIND_OF else text, seen)
    return Value(mask(ticket, field, text) if text and seen == "on_request" else CONFIDENTIAL if text else "", seen)


def text_of(ticket: Ticket, field: str) -> str:
    """What stands in a field."""
    return ticket.caller_number if field == "caller_number" else ticket.fields[field]["value"]


def mask(ticket: Ticket, field: str, text: str) -> str:
    """What stands for a field that is read on request only: enough to tell two apart, not enough to find anybody."""
    if KIND_OF.get(field) == "number" and not ticket.identity_secret:
        return masked_number(text)
    if KIND_OF.get(field) == "person" and not ticket.identity_secret:
        return f"{text[0]}**"
    return CONFIDENTIAL


def masked_number(number: str) -> str:
    """A telephone number without its middle: 138****0001."""
    if len(number) < 7:
        return "*" * len(number)
    left, right = (3, 4) if len(number) >= 11 else (2, 2)
    return number[:left] + "*" * (len(number) - left - right) + number[-right:]


def in_list(ticket: Ticket, standing: Standing, field: str, *, to_call_back: bool = False) -> str:
    """What a list, a wallboard or a feed shows of a field: no names, nothing secret, numbers without their middle.

    `to_call_back`: a list of people who wait to be called; there, numbers that are no secret are whole. Whoever may
    see more opens the ticket.
    """
    text = text_of(ticket, field)
    kind = KIND_OF.get(field)
    if not text or kind is None:
        return text
    secret = ticket.restricted_to or (ticket.content_secret if kind == "content" else ticket.identity_secret)
    if secret or kind in ("person", "record"):
        return CONFIDENTIAL
    if kind == "number":
        return text if to_call_back and sight(standing, ticket, field) == "shown" else masked_number(text)
    return without_identity(text, ticket) if sight(standing, ticket, field) == "shown" else CONFIDENTIAL


def lines_of(
    ticket: Ticket, standing: Standing, lines: Iterable[TicketChange], actor: Actor, *, hide_staff: bool
) -> list[Line]:
    """The history as somebody of this standing sees it; `hide_staff`: names of staff are masked too (TP-37)."""
    own = standing in ("taker", "centre", "discipline")
    return [
        Line(
            version=made.version,
            at=made.at,
            actor=STAFF if hide_staff and not own and made.actor not in (MACHINE, actor.name) else made.actor,
            action=made.action,
            field=made.field,
            before=shown(ticket, standing, made.field, made.before).text,
            after=shown(ticket, standing, made.field, made.after).text,
            why=_why(ticket, standing, made),
            rule=made.rule,
        )
        for made in lines
    ]


def without_identity(text: str, ticket: Ticket) -> str:
    """`text` without what tells who called: the name and numbers of the ticket, and whatever looks like a number."""
    known = [ticket.caller_number, ticket.fields["callback_number"]["value"], _name(ticket)]
    for word in sorted(filter(None, known), key=len, reverse=True):
        if len(word) > 1:
            text = text.replace(word, _BLOT)
    return _SPOKEN_DIGITS.sub(_BLOT, _LONG_NUMBER.sub(_BLOT, text))


def _name(ticket: Ticket) -> str:
    # The machine writes wishes behind the name: 符先生（要求身份保密）.
    return ticket.fields["person"]["value"].partition("（")[0].removeprefix("姓")


def _for(standing: Standing, ticket: Ticket, text: str) -> str:
    who_is_open = all(sight(standing, ticket, field) == "shown" for field in ("person", "caller_number"))
    return text if who_is_open else without_identity(text, ticket)


def _why(ticket: Ticket, standing: Standing, made: TicketChange) -> str:
    """Reasons quote what was said: they are seen by whoever sees what they are about, and name nobody else."""
    about = (made.field, "event") if made.actor == MACHINE else (made.field,)
    if any(sight(standing, ticket, field) != "shown" for field in about):
        return CONFIDENTIAL if made.why else ""
    return _for(standing, ticket, made.why)


def _hides_staff(centre: Centre) -> bool:
    law = centre.jurisdiction.law_at(centre.now())
    return law.secrecy is not None and law.secrecy.hide_staff
