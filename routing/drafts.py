"""Draft tickets: opened with a call's first event, filled by the machine from what the caller says.

The machine writes only fields of drafts that no person has set. Everything it writes can be derived again from the
transcript; so a field whose reason is gone (the caller took it back) is emptied again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.history import MACHINE, line
from routing.jurisdiction import Jurisdiction
from routing.linkage.guide import BY_LINKAGE
from routing.reading.elements import Element, Elements, Heard, extract
from routing.reading.persons import person_of
from routing.reading.proposal import MatterProposal, propose
from routing.reading.ranked import Ranked, quoted
from routing.reading.statements import StatementHeard, event_of
from routing.secrecy.wishes import heed, unheeded
from routing.serials import next_serial
from routing.storage import Call, Candidate, FieldValue, Ticket, Utterance
from routing.tickets import transcript_query

log = structlog.get_logger(__name__)
_unreadable = Counter("hotline_extraction_failures_total", "Transcripts from which no elements could be read")

LINES = "emergency_line"
"""Under this name `Ticket.proposals` also ranks the lines that the caller should be connected to."""

SCOPE, GROUND, OTHERS, PLACE = "scope", "refuse_ground", "other_matter", "place"
"""Further rankings: whether to take the call in, grounds to refuse it, further matters that the caller tells of (each
a matter's id), and places of the same name between which the caller has to be asked."""

_TAKEN_FROM = {"intent": 0.3, "urgency": 0.0, "matter": 0.5, "functional_unit": 0.5, "territorial_unit": 0.3}
"""The score from which the best candidate is written into the field; below, it is only in the list. An ordinary
urgency is always written. One certain word of a matter reaches 0.63, hints alone do not reach 0.5."""


async def open_draft(session: AsyncSession, call: Call, jurisdiction: Jurisdiction, at: datetime) -> Ticket:
    """The draft ticket of a call that has none yet, with the next serial number of its day."""
    ticket = Ticket(
        serial=await next_serial(session, jurisdiction, at),
        call_id=call.call_id,
        jurisdiction=jurisdiction.id,
        created_at=at,
        updated_at=at,
        caller_number=call.caller_number,
        called_number=call.called_number,
    )
    session.add(ticket)
    # The id and the version are given by the database's defaults, and the history line carries both.
    await session.flush()
    session.add(
        line(ticket, at, MACHINE, "opened", after=ticket.serial, why=f"来电 {call.caller_number or '号码未显示'}")
    )
    return ticket


async def ticket_of(session: AsyncSession, call: Call) -> Ticket | None:
    """The ticket of a call, locked until the end of the transaction."""
    found: Ticket | None = await session.scalar(select(Ticket).where(Ticket.call_id == call.call_id).with_for_update())
    return found


async def fill(session: AsyncSession, ticket: Ticket, call: Call, jurisdiction: Jurisdiction, at: datetime) -> None:
    """Read the transcript so far again and write what it says into the draft's fields that no person has set."""
    if ticket.state != "draft":
        return
    heard = [_as_heard(said) for said in await session.scalars(transcript_query(call.call_id))]
    try:
        filled, proposals = read(heard, jurisdiction, call.arrived_at)
        person = person_of(heard, jurisdiction)
    except Exception:
        # What was said is kept and the agent can write the ticket; a mistake in reading must not cost the utterance.
        _unreadable.inc()
        log.exception("the transcript could not be read", call_id=call.call_id)
        return
    fields = dict(ticket.fields)
    for name, new in filled.items():
        if fields[name]["source"] == "machine" and fields[name]["by"] != BY_LINKAGE:
            fields[name] = new
    wishes = await unheeded(session, ticket, person.wishes if person else ())
    if fields == ticket.fields and proposals == ticket.proposals and not wishes:
        return
    before = ticket.fields
    ticket.version += 1
    ticket.updated_at = at
    ticket.fields, ticket.proposals = fields, proposals
    heed(session, ticket, wishes, at)
    for name, new in fields.items():
        if new["value"] != before[name]["value"]:
            session.add(
                line(
                    ticket,
                    at,
                    MACHINE,
                    "filled",
                    field=name,
                    before=before[name]["value"],
                    after=new["value"],
                    why=_reason(name, new, proposals),
                    rule=jurisdiction.routing_article if name.endswith("_unit") else "",
                )
            )


def _as_heard(said: Utterance) -> Heard:
    return Heard(said.id, said.speaker, said.text, said.at)


def read(
    heard: Sequence[Heard], jurisdiction: Jurisdiction, called_at: datetime
) -> tuple[dict[str, FieldValue], dict[str, list[Candidate]]]:
    """What a ticket with this transcript holds: all fields, and all rankings. Pure."""
    elements = extract(heard, jurisdiction, called_at)
    proposal = propose(heard, elements, jurisdiction)
    fields = {name: _of_element(element) for name, element in elements.named().items()}
    if proposal.main and proposal.others:
        # Of the first matter alone: each further one becomes a ticket of its own.
        fields["event"] = _of_element(event_of(proposal.main.told, jurisdiction))
    for name, ranked in proposal.named().items():
        best = ranked[0] if ranked and ranked[0].score >= _TAKEN_FROM[name] else None
        fields[name] = _of_ranked(best)
    rankings = {
        **proposal.named(),
        LINES: proposal.lines,
        SCOPE: proposal.scope,
        GROUND: proposal.refuse_grounds,
        OTHERS: _further(proposal.others, jurisdiction),
        PLACE: _places_to_ask(elements, jurisdiction),
    }
    return fields, {name: [_candidate(one) for one in ranked] for name, ranked in rankings.items()}


def _further(others: Sequence[MatterProposal], jurisdiction: Jurisdiction) -> list[Ranked]:
    """Further matters as candidates: each becomes a ticket of its own when a person says so (TP-12(3))."""
    scopes = {matter.id: matter.scope for matter in jurisdiction.matters}
    ranked = []
    for one in others:
        units = "、".join(jurisdiction.units[unit].short for unit in one.units[:2])
        reason = f"来电还说到{quoted(one.words)}，{jurisdiction.name_of('intent', one.intent)}"
        reason += f"，可派{units}" if units else ""
        reason += f"；受理范围 {scopes[one.matter]}；{jurisdiction.matters_source}"
        name = jurisdiction.name_of("matter", one.matter)
        ranked.append(Ranked(one.matter, name, one.confidence, one.words, reason, one.utterances))
    return sorted(ranked, key=lambda one: -one.score)


def _places_to_ask(elements: Elements, jurisdiction: Jurisdiction) -> list[Ranked]:
    """The places that what was said could mean; none is taken before the caller has answered."""
    said = elements.place
    if said is None:
        return []
    ranked = []
    for place in elements.place_candidates:
        where = "不在本辖区" if place.outside else "属地未定"
        if place.unit:
            where = f"属{jurisdiction.units[place.unit].short}"
        article = jurisdiction.routing_article
        reason = f"来电说到{quoted(said.words)}，可能是“{place.name}”（{where}；{article}），请问来电人"
        ranked.append(Ranked(place.name, place.name, said.confidence, said.words, reason, said.utterances))
    return ranked


def _of_element(element: Element | StatementHeard | None) -> FieldValue:
    if element is None:
        return _machine_value("", (), None, ())
    return _machine_value(element.value, element.words, element.confidence, element.utterances)


def _of_ranked(best: Ranked | None) -> FieldValue:
    if best is None:
        return _machine_value("", (), None, ())
    return _machine_value(best.id, best.words, best.score, best.utterances)


def _machine_value(
    value: str, words: tuple[str, ...], confidence: float | None, utterances: tuple[int, ...]
) -> FieldValue:
    return FieldValue(
        value=value,
        source="machine",
        words=list(words),
        confidence=confidence,
        utterances=list(utterances),
        by=MACHINE if value else "",
    )


def _candidate(one: Ranked) -> Candidate:
    return Candidate(id=one.id, name=one.name, score=one.score, words=list(one.words), reason=one.reason)


def _reason(name: str, new: FieldValue, proposals: dict[str, list[Candidate]]) -> str:
    ranked = proposals.get(name)
    if ranked and new["value"]:
        return ranked[0]["reason"]
    if new["words"]:
        return f"来电说到{'、'.join(f'“{word}”' for word in new['words'])}"
    return "来电人更正后不再成立"
