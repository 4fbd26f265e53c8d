"""The dialplan's notes of a linkage (link-note in dialplans/linkage.conf), and what they mean as events.

A note comes twice: as a UserEvent when it is made, and out of Asterisk's database after a time without the server.
Its key (microseconds and a UUID) makes both tellings have the same event ids. What a note says, fields joined by |:

    pressed                  the caller pressed the emergency key; not a linkage yet
    asked|LINES|BY|VIA|WHO
    joined|caller or agent|NAME|CHANNEL
    left|caller or agent|NAME|CHANNEL|REASON
    attempt|LINE|DIALLING|ATTEMPT|NUMBER|TRUNK|STATUS|CAUSE|DETAIL|CHANNEL
    exhausted|LINE|DIALLING|yes or no
    closing|agent            the agent hung up after the lines had gone: the caller is let go
    ended|RECORDING
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import ValidationError

from ivr.events import (
    EmergencyKeyPressed,
    Event,
    LineAttempt,
    LineExhausted,
    LinkageAsked,
    LinkageEnded,
    LinkageJoined,
    LinkageLeft,
    Outcome,
)

log = structlog.get_logger(__name__)

FAMILY = "linked"
"""The family of Asterisk's database: linked/CALL_ID/KEY."""

_STATUS: dict[str, Outcome] = {
    # DIALSTATUS of Dial(), and the dialplan's own words for what Dial() does not tell.
    "DIALLING": "dialling",
    "ANSWERED": "answered",
    "ANSWER": "dropped",
    "ENDED": "dropped",
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "CONGESTION": "congestion",
    "CHANUNAVAIL": "unavailable",
    "CANCELLED": "cancelled",
    "CANCEL": "cancelled",
    "HUNGUP": "cancelled",
}

_SIP: dict[str, Outcome] = {
    # Asterisk takes 480 for "no answer" and 404 for one of several things.
    "404": "unavailable",
    "480": "unavailable",
    "486": "busy",
    "600": "busy",
    "503": "congestion",
}


@dataclass(frozen=True)
class Note:
    """One note: whose, its key, its fields (the first is its kind)."""

    call_id: str
    key: str
    fields: tuple[str, ...]

    @property
    def at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(int(self.key.partition("-")[0]) / 1_000_000, UTC)

    @property
    def kind(self) -> str:
        """pressed, asked, joined, left, attempt, exhausted, closing or ended."""
        return self.fields[0]


def note(call_id: str, key: str, text: str) -> Note | None:
    """The note, None when it is none (`open` and `reached` are the dialplan's own marks)."""
    if not re.fullmatch(r"[0-9]{16}-[0-9a-f-]{36}", key):
        return None
    return Note(call_id, key, tuple(text.split("|")))


def events(made: Note, *, rebuilt: bool) -> list[Event]:
    """What the note means, in order; [] for one that cannot be read (logged) or means nothing to others."""
    common = {"call_id": made.call_id, "at": made.at, "rebuilt": rebuilt}
    read = _READERS.get(made.kind)
    try:
        return [] if read is None else read(made, common)
    except (ValueError, ValidationError) as problem:
        log.error("a note of a linkage cannot be read", call_id=made.call_id, note=made.fields, problem=str(problem))
        return []


def outcome_of(status: str, sip: str) -> Outcome:
    """What a DIALSTATUS means, more closely where the SIP answer (`SIP 486 Busy Here`, or '') says more."""
    outcome = _STATUS.get(status, "failed")
    found = re.match(r"SIP ([0-9]{3})", sip)
    if found and outcome in ("no_answer", "unavailable", "congestion", "failed"):
        return _SIP.get(found[1], outcome)
    return outcome


def line_channel(dialling_channel: str) -> str:
    """The end of a line's Local channel that is in the conference, of the end that dials."""
    return dialling_channel.removesuffix(";2") + ";1"


def _pressed(made: Note, common: dict[str, Any]) -> list[Event]:
    return [EmergencyKeyPressed(call_id=made.call_id, event_id=_id(made), at=made.at)]


def _asked(made: Note, common: dict[str, Any]) -> list[Event]:
    _, lines, by, via, who = made.fields
    said = {"lines": lines.split("-"), "by": by, "via": via, "who": who}
    return [LinkageAsked.model_validate({"event_id": _id(made), **said, **common})]


def _joined(made: Note, common: dict[str, Any]) -> list[Event]:
    _, party, name, channel = made.fields
    said = {"party": party, "name": name, "channel": channel}
    return [LinkageJoined.model_validate({"event_id": _id(made), **said, **common})]


def _left(made: Note, common: dict[str, Any]) -> list[Event]:
    _, party, name, channel, reason = made.fields
    said = {"party": party, "name": name, "channel": channel, "reason": reason}
    return [LinkageLeft.model_validate({"event_id": _id(made), **said, **common})]


def _attempt(made: Note, common: dict[str, Any]) -> list[Event]:
    _, line, dialling, number_of, number, trunk, status, cause, detail, channel = made.fields
    attempt = LineAttempt(
        event_id=_id(made),
        line=line,
        dialling=dialling,
        attempt=int(number_of),
        number=number,
        trunk=trunk,
        outcome=outcome_of(status, detail),
        cause=int(cause or 0),
        detail=detail if detail.startswith("SIP ") else "",
        **common,
    )
    said = {"party": "line", "name": line, "channel": line_channel(channel)}
    if status == "ANSWERED":
        return [attempt, LinkageJoined.model_validate({"event_id": f"{_id(made)}:joined", **said, **common})]
    if status in ("ANSWER", "ENDED", "HUNGUP"):
        said["reason"] = {"ANSWER": "dropped", "ENDED": "ended"}.get(status, detail)
        return [attempt, LinkageLeft.model_validate({"event_id": f"{_id(made)}:left", **said, **common})]
    return [attempt]


def _exhausted(made: Note, common: dict[str, Any]) -> list[Event]:
    _, line, dialling, told = made.fields
    return [LineExhausted(event_id=_id(made), line=line, dialling=dialling, told_caller=told == "yes", **common)]


def _ended(made: Note, common: dict[str, Any]) -> list[Event]:
    return [LinkageEnded(event_id=ended_id(made.call_id), recording=made.fields[1], **common)]


def ended_id(call_id: str) -> str:
    """The id of the end of a call's linkage: there is one, however it is told."""
    return f"{call_id}:linkage-ended"


def _id(made: Note) -> str:
    return f"{made.call_id}:{made.key}"


_READERS: dict[str, Callable[[Note, dict[str, Any]], list[Event]]] = {
    "pressed": _pressed,
    "asked": _asked,
    "joined": _joined,
    "left": _left,
    "attempt": _attempt,
    "exhausted": _exhausted,
    "ended": _ended,
}
