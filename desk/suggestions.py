"""What the machine would ask or do about a call beyond the fields: the scope, which of two places, a further matter.

It proposes, a person decides (YZ-12 [H]): each suggestion is taken or waved away by one key; what ends the ticket is
asked twice. The templates number the choices in the order in which they come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from desk import wording
from desk.state import Desk
from desk.view import Proposal, lines_to_connect
from ivr.events import now
from routing import tickets
from routing.further_matter import further_of, open_further
from routing.life.errors import BadValue
from routing.life.intake import DISCIPLINE, refer, refuse
from routing.reading.scope import CLARIFY, DIRECTORY, REFUSE
from routing.storage import Candidate, Ticket
from routing.tickets import Actor, TicketChanged
from routing.waved_away import FURTHER, PLACE, SCOPE, wave_away, waved_away

_GROUNDS = "refuse_ground"
_GROUNDS_SHOWN = 3
_SENTENCES = 3
"""After so many of the caller's, an agent is told that nothing was understood yet."""
_RACES = 5
"""How often an act is tried again because the machine filled the draft in the same moment."""

_HEADINGS = {
    REFUSE: "可能不属于受理范围",
    DIRECTORY: "可能由社会综合信息服务答复",
    CLARIFY: "还没有听清要办的事，请再问",
}
_REFERRED = {
    DIRECTORY: ("directory", "已告知来电人由社会综合信息服务答复"),
    DISCIPLINE: (DISCIPLINE, "已告知来电人转交纪检监察部门"),
}
"""What a person refers a matter to, and what the caller was told."""

Act = Literal["fill", "take"]


@dataclass(frozen=True)
class Option:
    """A button. `act`: fill (put `value` into `field`), take (let the server do `value`). `twice`: it asks twice."""

    label: str
    act: Act
    value: str
    field: str = ""
    twice: bool = False
    title: str = ""


@dataclass(frozen=True)
class Suggestion:
    """One thing that the machine suggests; `chosen` is its id when it is waved away."""

    kind: str
    chosen: str
    heading: str
    score: str
    reason: str
    words: list[str]
    options: list[Option]


@dataclass(frozen=True)
class Opened:
    """A ticket that was opened for a further matter of this call."""

    ticket_id: str
    serial: str
    matter: str
    state: str


@dataclass(frozen=True)
class Suggestions:
    """All of a ticket's. `lines`: emergency lines that the caller should be connected to, which come before all else;
    `message`: why the last act was not carried out.
    """

    ticket_id: str
    lines: list[Proposal]
    waiting: list[Suggestion]
    opened: list[Opened]
    message: str = ""


async def suggestions(desk: Desk, ticket: Ticket, message: str = "") -> Suggestions:
    """What waits for a decision about `ticket` (as the reader may see it), and what was opened besides."""
    further = await further_of(desk.database, ticket.id)
    waiting: list[Suggestion] = []
    if ticket.state == "draft":
        gone = await waved_away(desk.database, ticket.id)
        found = [*_scope(desk, ticket), *_place(ticket), *_further(desk, ticket, further)]
        if any(one.chosen == CLARIFY for one in found) and not await _has_had_time(desk, ticket):
            found = [one for one in found if one.chosen != CLARIFY]
        waiting = [one for one in found if (one.kind, one.chosen) not in gone]
    opened = [
        Opened(
            one.id,
            one.serial,
            desk.catalogue.name("matter", one.fields["matter"]["value"]) or one.fields["event"]["value"],
            wording.TICKET_STATES.get(one.state, one.state),
        )
        for one in further
    ]
    return Suggestions(ticket.id, lines_to_connect(desk, ticket), waiting, opened, message)


async def act(desk: Desk, ticket_id: str, kind: str, chosen: str, value: str | None, actor: Actor) -> Ticket:
    """Carry out the option `value` of a suggestion, or (None) wave the suggestion away; gives the ticket then.

    Raises what routing raises: TicketError with a code and a text for people.
    """
    if value is None:
        return await wave_away(desk.database, ticket_id, kind, chosen, actor)
    if kind == FURTHER:
        await open_further(desk.centre, ticket_id, value, actor)
        return await _now(desk, ticket_id)
    what, _, which = value.partition(":")
    if kind == SCOPE and what == REFUSE:
        return await _until_it_fits(
            desk, ticket_id, lambda version: refuse(desk.centre, ticket_id, version, actor, ground=which)
        )
    if kind == SCOPE and what in _REFERRED:
        to, note = _REFERRED[what]
        return await _until_it_fits(
            desk, ticket_id, lambda version: refer(desk.centre, ticket_id, version, actor, to=to, note=note)
        )
    raise BadValue("没有这样的建议，请刷新后再试", rule="YZ-12", field="value")


async def _until_it_fits(desk: Desk, ticket_id: str, do: Callable[[int], Awaitable[Ticket]]) -> Ticket:
    """Do it with the ticket's present version; the machine fills the draft while the caller speaks."""
    for race in range(_RACES):
        try:
            return await do((await _now(desk, ticket_id)).version)
        except TicketChanged:
            if race == _RACES - 1:
                raise
    raise AssertionError("it was done or raised")


async def _now(desk: Desk, ticket_id: str) -> Ticket:
    found = await tickets.ticket(desk.database, ticket_id)
    if found is None:
        raise tickets.NoSuchTicket("没有这张工单")
    return found


async def _has_had_time(desk: Desk, ticket: Ticket) -> bool:
    """Whether the caller has said more than how people begin; else every call would open with a suggestion."""
    said = await tickets.utterances(desk.database, ticket.call_id or "")
    return sum(one.speaker == "caller" for one in said) >= _SENTENCES


def _scope(desk: Desk, ticket: Ticket) -> list[Suggestion]:
    if to_discipline := _discipline(desk, ticket):
        return [to_discipline]
    ranked = ticket.proposals.get(SCOPE, [])
    if not ranked or ranked[0]["id"] not in _HEADINGS:
        return []
    best = ranked[0]
    options: list[Option] = []
    if best["id"] == REFUSE:
        options = [
            Option(f"不予受理：{one['name']}", "take", f"{REFUSE}:{one['id']}", twice=True, title=one["reason"])
            for one in ticket.proposals.get(_GROUNDS, [])[:_GROUNDS_SHOWN]
        ]
    if best["id"] == DIRECTORY:
        options = [Option("已转社会综合信息服务，结束", "take", f"{DIRECTORY}:", twice=True, title=best["reason"])]
    return [_suggested(SCOPE, best, _HEADINGS[best["id"]], options)]


def _discipline(desk: Desk, ticket: Ticket) -> Suggestion | None:
    """Where the law hands matters of party discipline to a unit of its own and that unit leads the proposal."""
    law, units = desk.jurisdiction.law_at(now()).discipline, ticket.proposals.get("functional_unit", [])
    if law is None or law.action != "transfer" or not units or units[0]["id"] != law.unit:
        return None
    where = desk.catalogue.name("functional_unit", law.unit or "")
    option = Option(f"转交{where}", "take", f"{DISCIPLINE}:", twice=True, title=f"只有{where}能看到（{law.article}）")
    return _suggested(SCOPE, units[0] | {"id": DISCIPLINE}, "可能是党员干部违纪事项", [option])


def _place(ticket: Ticket) -> list[Suggestion]:
    candidates = ticket.proposals.get(PLACE, [])
    if not candidates or ticket.fields["place"]["source"] != "machine":
        return []
    options = [Option(one["name"], "fill", one["name"], field="place", title=one["reason"]) for one in candidates]
    heading = f"请问来电人：是{'还是'.join(one['name'] for one in candidates)}？"
    return [_suggested(PLACE, candidates[0], heading, options)]


def _further(desk: Desk, ticket: Ticket, further: Sequence[Ticket]) -> list[Suggestion]:
    there = {one.fields["matter"]["value"] for one in further}
    return [
        _suggested(
            FURTHER,
            one,
            f"还说到另一件事：{desk.catalogue.name('matter', one['id'])}",
            [Option("另立工单", "take", one["id"], title="同一来电人，另一张草稿")],
        )
        for one in ticket.proposals.get(FURTHER, [])
        if one["id"] not in there
    ]


def _suggested(kind: str, candidate: Candidate, heading: str, options: list[Option]) -> Suggestion:
    return Suggestion(
        kind=kind,
        chosen=candidate["id"],
        heading=heading,
        score=wording.percent(candidate["score"]),
        reason=candidate["reason"],
        words=candidate["words"],
        options=options,
    )
