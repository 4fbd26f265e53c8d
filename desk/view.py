"""Calls, transcripts and tickets as the pages show them: plain values that the templates only lay out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from desk import wording
from desk.catalogue import CHOSEN, SEARCHED, Choice
from desk.state import Desk
from ivr.events import now
from routing.acceptance import open_scopes
from routing.drafts import LINES
from routing.history import MACHINE
from routing.jurisdiction import Jurisdiction, ScopeItem
from routing.linkage.reading import LinkageView
from routing.reading.spoken import plain
from routing.reading.written import SHOWN_GAP, SpokenWord, written
from routing.secrecy.view import Line
from routing.storage import FIELDS, Call, Ticket, Utterance
from routing.tickets import ATTENTION

UNSURE_BELOW = 0.6
"""Words that the recogniser is less sure of are marked."""

_STOPS = " ，。？！、"
PROPOSALS_SHOWN = 3
_LONG_TEXT = {"event": 3, "demand": 2}
_STATE_ORDER = {"ringing": 0, "waiting": 1, "arriving": 2, "talking": 3}


@dataclass(frozen=True)
class CallRow:
    """A live call in a list. `since`: when its state began (ISO 8601), `elapsed`: how long ago, for the first paint.

    `limit`: seconds after which the caller has waited too long; empty when nobody waits.
    """

    call_id: str
    state: str
    label: str
    caller: str
    caller_name: str
    line: str
    queue: str
    position: int
    agent: str
    since: str
    elapsed: str
    seconds: int
    limit: str
    mine: bool
    source: str
    """The line that handed the call over, such as 110; empty: the citizen dialled."""
    linked: str
    """The lines of its linkage; empty: it is in none."""


@dataclass(frozen=True)
class DraftRow:
    """A ticket in a list. `link`: the query that opens it."""

    ticket_id: str
    serial: str
    link: str
    caller: str
    time: str
    summary: str
    attention: str
    agent: str
    version: int
    mine: bool


@dataclass(frozen=True)
class Piece:
    """A stretch of a transcript line. `kind`: sure, unsure (the recogniser was not) or gap (not understood).

    `heard`: the words as they were recognised, where they are written otherwise (幺三八 is 138); else empty.
    """

    kind: Literal["sure", "unsure", "gap"]
    text: str
    confidence: str = ""
    heard: str = ""


@dataclass(frozen=True)
class Said:
    """One line of the transcript."""

    id: int
    speaker: str
    tap_id: str
    number: int
    time: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Proposal:
    """A ranked choice. `pick`: what the field's control holds when it is taken."""

    pick: str
    name: str
    score: str
    reason: str
    taken: bool


@dataclass(frozen=True)
class FieldView:
    """One field of the ticket form. `value`: what is stored, as the control holds it; `typed`: what it shows."""

    name: str
    label: str
    control: Literal["line", "text", "choose", "search"]
    rows: int
    value: str
    typed: str
    source: Literal["", "machine", "agent"]
    confidence: str
    words: list[str]
    utterances: str
    by: str
    proposals: list[Proposal]
    choices: list[Choice]
    error: str
    changed: bool
    """Somebody else changed it, and something else is typed here."""


@dataclass(frozen=True)
class Change:
    """What somebody else made of a field: `who`, the field's `label`, and the value `after`."""

    who: str
    label: str
    after: str


@dataclass(frozen=True)
class TicketForm:
    """A ticket as the right column shows it."""

    ticket: Ticket
    state: str
    attention: str
    created: str
    confirmed: str
    fields: dict[str, FieldView]
    message: str = ""
    changes: list[Change] = field(default_factory=list)
    remind: bool = False
    """The caller has to be told that a report must be true (YZ-33)."""
    scopes: tuple[ScopeItem, ...] = ()
    """The items of the intake scope to choose from, where matter and intent do not say which."""


def call_rows(
    desk: Desk, calls: list[Call], extension: str, linkages: Mapping[str, LinkageView] | None = None
) -> list[CallRow]:
    """Live calls for a list: the agent's own first, then ringing, waiting (the longest first), talking."""
    linked = {
        call_id: "、".join(line.row.line for line in view.lines if line.state != "taken_out")
        for call_id, view in (linkages or {}).items()
    }

    def order(call: Call) -> tuple[bool, int, datetime]:
        return (not _mine(call, extension), _STATE_ORDER.get(call.state, 9), call.queued_at or call.arrived_at)

    return [call_row(desk, call, extension, linked.get(call.call_id, "")) for call in sorted(calls, key=order)]


def call_row(desk: Desk, call: Call, extension: str, linked: str = "") -> CallRow:
    """One call for a list or the head of the transcript."""
    since = (call.answered_at if call.state == "talking" else call.queued_at) or call.arrived_at
    seconds = ((call.ended_at or now()) - since).total_seconds()
    return CallRow(
        call_id=call.call_id,
        state=call.state,
        label=wording.CALL_STATES.get(call.state, call.state),
        caller=call.caller_number or "号码未显示",
        caller_name=call.caller_name if call.caller_name != call.caller_number else "",
        line=desk.line_name(call.called_number),
        queue=desk.queue_title(call.queue),
        position=call.position,
        agent=desk.agent_name(call.agent) if call.agent else "",
        since=since.isoformat() if call.state != "ended" else "",
        elapsed=wording.duration(seconds),
        seconds=int(seconds),
        limit=str(desk.service_level(call.queue)) if call.state in ("arriving", "waiting", "ringing") else "",
        mine=_mine(call, extension),
        source=call.source,
        linked=linked,
    )


def draft_row(desk: Desk, ticket: Ticket, call: Call | None, extension: str) -> DraftRow:
    """One ticket for a list of drafts."""
    matter = desk.catalogue.name("matter", ticket.fields["matter"]["value"])
    summary = ticket.fields["event"]["value"] or matter or ticket.fields["demand"]["value"]
    return DraftRow(
        ticket_id=ticket.id,
        serial=ticket.serial,
        link=f"call={ticket.call_id}" if ticket.call_id else f"ticket={ticket.id}",
        caller=ticket.caller_number or "号码未显示",
        time=wording.day_and_clock(ticket.created_at, desk.timezone),
        summary=summary,
        attention=ATTENTION.get(ticket.attention, ticket.attention),
        agent=desk.agent_name(call.agent) if call and call.agent else "",
        version=ticket.version,
        mine=bool(call and extension and call.agent == extension),
    )


def transcript(desk: Desk, utterances: list[Utterance]) -> list[Said]:
    """What was said, line by line, gaps and doubtful words marked."""
    return [
        Said(
            id=said.id,
            speaker=said.speaker,
            tap_id=said.tap_id,
            number=said.number,
            time=wording.clock(said.at, desk.timezone),
            pieces=pieces(said, desk.jurisdiction),
        )
        for said in utterances
    ]


def pieces(said: Utterance, jurisdiction: Jurisdiction) -> list[Piece]:
    """The stretches of one line as it is read, from its words where the recogniser gave them, else from its text."""
    spoken = [(SpokenWord(word["text"], word["start"], word["end"]), float(word["confidence"])) for word in said.words]
    if not spoken:
        spoken = [(SpokenWord(word), said.confidence) for word in said.text.split()]
    made: list[Piece] = []
    for piece in written([word for word, _ in spoken], jurisdiction).pieces:
        if piece.gap:
            made.append(Piece("gap", "□□"))
            if stop := piece.text.removeprefix(SHOWN_GAP):
                made.append(Piece("sure", stop))
            continue
        words = spoken[piece.first : piece.last]
        heard = "".join(word.text for word, _ in words)
        text = piece.text
        if text.strip(_STOPS) == plain(heard):  # only punctuation came to it, and capitals went
            text, heard = text.replace(plain(heard), heard), ""
        confidence = min(confidence for _, confidence in words)
        if confidence < UNSURE_BELOW:
            made.append(Piece("unsure", text, wording.percent(confidence), heard))
        elif made and made[-1].kind == "sure" and not (heard or made[-1].heard):
            made[-1] = Piece("sure", made[-1].text + text)
        else:
            made.append(Piece("sure", text, heard=heard))
    return made


def ticket_form(
    desk: Desk,
    ticket: Ticket,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    message: str = "",
    changes: list[Line] | None = None,
) -> TicketForm:
    """The form of `ticket`. `typed` is shown instead of what is stored; `changes` tell what others did meanwhile."""
    changed = {change.field for change in changes or []}
    reminder = desk.jurisdiction.law_at(ticket.created_at).truth_reminder
    shown = {name: (typed or {}).get(name) or ticket.fields[name]["value"] for name in ("intent", "matter")}
    confirmed = f"{wording.full_time(ticket.accepted_at, desk.timezone)} {ticket.accepted_by}"
    return TicketForm(
        ticket=ticket,
        state=wording.TICKET_STATES.get(ticket.state, ticket.state),
        attention=ATTENTION.get(ticket.attention, ticket.attention),
        created=wording.full_time(ticket.created_at, desk.timezone),
        confirmed=confirmed if ticket.accepted_at else "",
        fields={
            name: _field(desk, ticket, name, (typed or {}).get(name), (errors or {}).get(name, ""), name in changed)
            for name in FIELDS
        },
        message=message,
        changes=[change_line(desk, change) for change in changes or []],
        remind=bool(reminder and shown["intent"] in reminder.intents),
        scopes=open_scopes(desk.jurisdiction, shown["matter"], shown["intent"]),
    )


def lines_to_connect(desk: Desk, ticket: Ticket) -> list[Proposal]:
    """Emergency lines that the caller of a draft should be connected to."""
    return _proposals(desk, ticket, LINES, "") if ticket.state == "draft" else []


def change_line(desk: Desk, change: Line) -> Change:
    """One line of a ticket's history for people."""
    return Change(
        who="机器" if change.actor == MACHINE else change.actor,
        label=wording.FIELD_LABELS.get(change.field, change.field),
        after=desk.catalogue.name(change.field, change.after),
    )


def _field(desk: Desk, ticket: Ticket, name: str, typed: str | None, error: str, changed: bool) -> FieldView:
    stored = ticket.fields[name]
    control: Literal["line", "text", "choose", "search"] = (
        "choose" if name in CHOSEN else "search" if name in SEARCHED else "text" if name in _LONG_TEXT else "line"
    )
    value = desk.catalogue.name(name, stored["value"]) if control == "search" else stored["value"]
    filled = bool(stored["value"]) or stored["source"] == "agent"
    return FieldView(
        name=name,
        label=wording.FIELD_LABELS[name],
        control=control,
        rows=_LONG_TEXT.get(name, 1),
        value=value,
        typed=value if typed is None else typed,
        source=stored["source"] if filled else "",
        confidence=wording.percent(stored["confidence"]),
        words=stored["words"],
        utterances=" ".join(str(number) for number in stored["utterances"]),
        by=stored["by"] if stored["source"] == "agent" else "",
        proposals=_proposals(desk, ticket, name, stored["value"]),
        choices=desk.catalogue.choices(name) if control == "choose" else [],
        error=error,
        changed=changed and typed is not None and typed != value,
    )


def _proposals(desk: Desk, ticket: Ticket, name: str, value: str) -> list[Proposal]:
    return [
        Proposal(
            pick=desk.catalogue.name(name, candidate["id"]) if name in SEARCHED else candidate["id"],
            name=candidate["name"],
            score=wording.percent(candidate["score"]),
            reason=candidate["reason"],
            taken=candidate["id"] == value,
        )
        for candidate in ticket.proposals.get(name, [])[:PROPOSALS_SHOWN]
    ]


def _mine(call: Call, extension: str) -> bool:
    return bool(extension) and call.agent == extension and call.state in ("ringing", "talking")
