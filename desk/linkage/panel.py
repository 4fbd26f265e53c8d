"""The agent's panel of a call's linkage, and the alarms on every desk: plain values that the templates only lay out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from desk import access, wording
from desk.accounts import Account
from desk.linkage import wording as words
from desk.linkage.acting import has_part
from desk.linkage.bodies import told_to
from desk.state import Desk
from ivr.events import now
from routing import tickets
from routing.linkage import alarms, proposals, reading, rehearsals
from routing.linkage.courier import notices_of_call
from routing.linkage.reading import LineView, LinkageView
from routing.linkage.summary import ReadOut
from routing.linkage.tables import LinkagePresence
from routing.storage import Call

_WANTED_AGAIN = ("exhausted", "taken_out", "ended")
"""States in which a line's button asks for it again."""

_ATTEMPTS_SHOWN = 4

_RINGS = timedelta(hours=2)
"""An alarm of a call that is older makes no sound any more (an outage may leave many); it stays in the list."""


@dataclass(frozen=True)
class LineButton:
    """A line's button. `state`: empty, or the line's state; `pressable`: pressing it asks for the line.

    `ask_twice`: no emergency line, so that a slip of the finger does not transfer the call. `warning`: what is wrong
    with its rehearsals.
    """

    line: str
    name: str
    state: str
    label: str
    since: str
    elapsed: str
    pressable: bool
    droppable: bool
    ask_twice: bool
    warning: str


@dataclass(frozen=True)
class PartyChip:
    """Somebody who is in the conference now. `line`: the line's number, for a line."""

    party: str
    name: str
    line: str
    muted: bool
    since: str
    elapsed: str


@dataclass(frozen=True)
class AttemptLine:
    """One attempt, in words."""

    key: str
    time: str
    text: str
    failed: bool


@dataclass(frozen=True)
class Panel:
    """All of a call's linkage. `live`: the call goes on; `may_act`: they may act in it, `may_ask`: ask for lines."""

    call_id: str
    live: bool
    may_act: bool
    may_ask: bool
    active: bool
    ended: bool
    buttons: list[LineButton]
    parties: list[PartyChip]
    alone: bool
    attempts: list[AttemptLine]
    told: ReadOut
    heading: str
    wait: str
    notices: list[str]
    proposal_id: int
    proposal_lines: list[str]
    proposal_words: str
    can_whisper: bool
    duty_parties: list[str]
    duty: str
    duty_by: str
    first_receiver: str
    rebuilt: bool
    agent_in: bool = False
    can_guide: bool = False
    """The call is over and its ticket is still a draft: it may be filed as one of guide class."""
    recording: str = ""


@dataclass(frozen=True)
class AlarmRow:
    """An alarm or a proposal on every desk."""

    key: str
    text: str
    time: str
    call_id: str
    alarm_id: int = 0
    proposal_id: int = 0
    rings: bool = True
    lines: list[str] = field(default_factory=list)


async def panel(desk: Desk, person: Account, call: Call) -> Panel:
    """The panel of `call` as `person` sees it."""
    view = await reading.linkage_of(desk.database, call.call_id)
    configured = desk.settings.lines.emergency_lines
    standings = {
        one.line: one
        for one in await rehearsals.standings(desk.database, configured, desk.linkage.rehearsal.stale_hours)
    }
    by_line = {line.row.line: line for line in view.lines} if view else {}
    live = call.state != "ended"
    present = view.present if view else []
    in_it = any(stay.party == "agent" and stay.name == person.extension for stay in present)
    proposed = [one for one in await proposals.open_proposals(desk.database) if one.call_id == call.call_id]
    notices = await notices_of_call(desk.database, call.call_id)
    return Panel(
        call_id=call.call_id,
        live=live,
        may_act=live and has_part(person.role, person.extension, call, view),
        may_ask=live and has_part(person.role, person.extension, call, view, asks=True),
        active=view.active if view else False,
        ended=view is not None and not view.active,
        buttons=[
            _button(
                desk,
                line.line,
                line.name,
                by_line.get(line.line),
                standings[line.line].standing,
                ask_twice=line.caller_key is None,
            )
            for line in configured
        ],
        parties=[_chip(desk, stay) for stay in present],
        alone=view.caller_without_agent if view else False,
        attempts=_attempts(desk, view) if view else [],
        told=await told_to(desk, call, access.actor(person)),
        heading=_heading(desk, view) if view else "",
        wait=_wait(view) if view else "",
        notices=[
            f"{one.line} 台站 {words.NOTICE_KINDS.get(one.kind, one.kind)}："
            f"{words.NOTICE_STATES.get(one.state, one.state)}"
            for one in notices
            if one.state != "superseded"
        ][-3:],
        proposal_id=proposed[0].id if proposed else 0,
        proposal_lines=proposed[0].lines if proposed else [],
        proposal_words="、".join(proposed[0].words) if proposed else "",
        can_whisper=person.role == "supervisor" and bool(person.extension) and not in_it,
        duty_parties=_duty_parties(call, view),
        duty=view.row.duty if view else "",
        duty_by=_duty_by(desk, view) if view else "",
        first_receiver=view.row.first_receiver if view else "",
        rebuilt=view.row.rebuilt if view else False,
        can_guide=await _can_guide(desk, person, call, view),
        agent_in=any(stay.party == "agent" for stay in present),
        recording=view.row.recording if view else "",
    )


async def alarm_rows(desk: Desk, person: Account) -> list[AlarmRow]:
    """What every desk must notice, the newest first: proposals, then alarms.

    A failed rehearsal is the supervisor's to mend; agents see it on the line's button.
    """
    found = [
        one
        for one in await alarms.open_alarms(desk.database)
        if one.kind != "rehearsal_failed" or person.role == "supervisor"
    ]
    proposed = await proposals.open_proposals(desk.database)
    return [
        AlarmRow(
            key=f"proposal-{one.id}",
            text=f"来电人说到“{'、'.join(one.words)}”，建议联动 {'、'.join(one.lines)}",
            time=wording.clock(one.at, desk.timezone),
            call_id=one.call_id,
            proposal_id=one.id,
            lines=one.lines,
        )
        for one in proposed
    ] + [
        AlarmRow(
            key=f"alarm-{one.id}",
            text=words.alarm(one.kind, one.line, one.detail),
            time=wording.day_and_clock(one.at, desk.timezone),
            call_id=one.call_id or "",
            alarm_id=one.id,
            rings=one.call_id is None or now() - one.at < _RINGS,
        )
        for one in found
    ]


def _button(desk: Desk, number: str, name: str, line: LineView | None, standing: str, *, ask_twice: bool) -> LineButton:
    state = line.state if line else ""
    since = None
    if line:
        newest = line.attempts[-1] if line.attempts else None
        since = line.row.asked_at
        if newest and state in ("connected", "ringing", "dialling"):
            since = {"connected": newest.answered_at, "ringing": newest.rang_at}.get(state) or newest.began_at
    ticking = since is not None and state not in _WANTED_AGAIN
    return LineButton(
        line=number,
        name=name,
        state=state,
        label=words.LINE_STATES.get(state, ""),
        since=since.isoformat() if since and ticking else "",
        elapsed=_elapsed(since) if ticking else "",
        pressable=not state or state in _WANTED_AGAIN,
        droppable=bool(state) and state not in _WANTED_AGAIN,
        ask_twice=ask_twice,
        warning="" if standing == "works" else words.STANDINGS.get(standing, standing),
    )


def _chip(desk: Desk, stay: LinkagePresence) -> PartyChip:
    name = {"caller": "来电人", "agent": desk.agent_name(stay.name), "line": stay.name}.get(stay.party, stay.name)
    return PartyChip(
        party=stay.party,
        name=name,
        line=stay.name if stay.party == "line" else "",
        muted=stay.muted,
        since=stay.joined_at.isoformat() if stay.joined_at else "",
        elapsed=_elapsed(stay.joined_at),
    )


async def _can_guide(desk: Desk, person: Account, call: Call, view: LinkageView | None) -> bool:
    if view is None or call.state != "ended":
        return False
    ticket = await tickets.ticket(desk.database, view.row.ticket_id)
    is_draft = ticket is not None and ticket.state == "draft"
    return is_draft and has_part(person.role, person.extension, call, view, afterwards=True)


def _elapsed(since: datetime | None) -> str:
    return wording.duration((now() - since).total_seconds()) if since else ""


def _attempts(desk: Desk, view: LinkageView) -> list[AttemptLine]:
    """The newest attempts of all lines, the newest first; and that a number was read out."""
    made = [
        (
            attempt.ended_at or attempt.answered_at or attempt.rang_at or attempt.began_at,
            AttemptLine(
                key=f"attempt-{attempt.id}",
                time=wording.clock(attempt.began_at, desk.timezone),
                text=f"{attempt.line} 第{attempt.attempt}次 拨 {attempt.number}："
                f"{words.OUTCOMES.get(attempt.outcome, attempt.outcome)}"
                + (f"（{attempt.detail}）" if attempt.detail else "")
                + ("（系统中断期间）" if attempt.rebuilt else ""),
                failed=attempt.outcome not in ("dialling", "ringing", "answered"),
            ),
        )
        for line in view.lines
        for attempt in line.attempts
    ]
    made += [
        (
            line.row.exhausted_at,
            AttemptLine(
                key=f"exhausted-{line.row.id}",
                time=wording.clock(line.row.exhausted_at, desk.timezone),
                text=f"{line.row.line} 所有号码均未接通" + ("，已向来电人播报号码" if line.row.told_caller else ""),
                failed=True,
            ),
        )
        for line in view.lines
        if line.row.exhausted_at is not None
    ]
    return [one for _, one in sorted(made, key=lambda pair: pair[0], reverse=True)][:_ATTEMPTS_SHOWN]


def _heading(desk: Desk, view: LinkageView) -> str:
    row = view.row
    who = words.ASKED_BY.get(row.by, row.by)
    if row.by == "agent" and row.who:
        who = desk.agent_name(row.who)
    via = words.VIA.get(row.via, row.via)
    return f"{wording.clock(row.asked_at, desk.timezone)} {who}" + (f"（{via}）" if via else "")


def _wait(view: LinkageView) -> str:
    if view.row.line_at is None:
        return ""
    return f"{(view.row.line_at - view.row.asked_at).total_seconds():.0f} 秒接通"


def _duty_parties(call: Call, view: LinkageView | None) -> list[str]:
    if view is None:
        return []
    return list(dict.fromkeys([*(line.row.line for line in view.lines), view.row.first_receiver, call.called_number]))


def _duty_by(desk: Desk, view: LinkageView) -> str:
    row = view.row
    if not row.duty:
        return ""
    how = "职责不清，由首先接报的" if row.duty == "unclear" else ""
    return f"{how}{row.accepted_by} 受理　{wording.clock(row.duty_at, desk.timezone)} {row.duty_by}"
