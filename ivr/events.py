"""The published vocabulary: what the telephone side tells the rest of the house about a call.

Events travel on one Redis stream (`STREAM`) and are read through consumer groups, so each arrives at least
once. An event that is told twice has the same `event_id` both times (ids are derived from what happened, not
drawn), so a consumer that has stored the id once ignores the second telling. Interim recognition results are
superseded within a second and never stored: they go over Redis publish/subscribe (`INTERIM_CHANNEL`).

Times are timezone-aware UTC; positions in audio are seconds since the leg's tap began.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

STREAM = "hotline:events"
"""Redis stream of all durable events; each entry has one field `event` holding the JSON."""

INTERIM_CHANNEL = "hotline:interim"
"""Redis publish/subscribe channel of `UtteranceInterim` (JSON)."""

TAP_KEY = "hotline:tap:{tap_id}"
"""Redis key (expiring) that the bridge sets before it asks Asterisk for a tap: JSON of `Tap`."""

Speaker = Literal["caller", "agent"]
EndedBy = Literal["caller", "agent", "hotline", "unknown"]
Party = Literal["caller", "agent", "line"]
Outcome = Literal[
    "dialling",
    "ringing",
    "answered",
    "busy",
    "no_answer",
    "congestion",
    "unavailable",
    "failed",
    "dropped",
    "cancelled",
]
"""How one attempt to reach a line goes. `unavailable`: the trunk is down, has no address, or knows no such number;
`dropped`: the line had answered and hung up; `cancelled`: we gave it up (the caller is gone, the line was taken out).
"""


def now() -> datetime:
    """The current time, UTC, aware."""
    return datetime.now(UTC)


class Word(BaseModel):
    """One recognised word: its text, begin and end in seconds of the leg's audio, confidence 0-1."""

    model_config = ConfigDict(frozen=True)
    text: str
    start: float
    end: float
    confidence: float


class Tap(BaseModel):
    """What an audio connection that names `tap_id` carries: which leg of which call."""

    model_config = ConfigDict(frozen=True)
    tap_id: str
    call_id: str
    speaker: Speaker
    channel: str
    language: str = ""
    """Of the call, as the dialplan names it (`zh`, `en`); empty: the hotline's own."""


class CallEvent(BaseModel):
    """What all events have: which call, when, and an id that is the same each time it is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    call_id: str
    event_id: str
    at: AwareDatetime


class CallArrived(CallEvent):
    """A citizen's call was answered by the hotline. `caller_number` is empty when withheld."""

    kind: Literal["call_arrived"] = "call_arrived"
    caller_number: str
    caller_name: str = ""
    called_number: str
    trunk: str = ""
    node: str = ""
    """The Asterisk node that holds the call."""
    channel: str
    uniqueid: str
    source: str = ""
    """Who hands the call over when it is not the citizen who dialled: `110` for that line's inbound trunk (YL-3)."""
    rebuilt: bool = False
    """True when the bridge found the call in progress, after a time in which it saw nothing."""


class CallQueued(CallEvent):
    """The caller waits in a queue. `position` counts from 1; 0 when not known (rebuilt)."""

    kind: Literal["call_queued"] = "call_queued"
    queue: str
    position: int = 0


class AgentRinging(CallEvent):
    """An agent's telephone rings for this call."""

    kind: Literal["agent_ringing"] = "agent_ringing"
    agent: str


class AgentAnswered(CallEvent):
    """An agent and the caller are talking. `agent` is the extension, such as 8001."""

    kind: Literal["agent_answered"] = "agent_answered"
    agent: str
    channel: str
    waited_seconds: float = 0.0


class ListeningStarted(CallEvent):
    """A leg is being transcribed, by the model that is named."""

    kind: Literal["listening_started"] = "listening_started"
    speaker: Speaker
    tap_id: str
    model: str


class ListeningUnavailable(CallEvent):
    """A leg is not being transcribed, and why: `no_model`, `no_language` (no model of the call's language),
    `overloaded`, `tap_failed`, `stalled`.
    """

    kind: Literal["listening_unavailable"] = "listening_unavailable"
    speaker: Speaker
    reason: Literal["no_model", "no_language", "overloaded", "tap_failed", "stalled"]
    detail: str = ""


class Utterance(CallEvent):
    """What one speaker said between two pauses, final. `[unk]` words are gaps, shown as such, never data."""

    kind: Literal["utterance"] = "utterance"
    speaker: Speaker
    tap_id: str
    number: int
    """Counts the utterances of one tap, from 1."""
    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...] = ()


class AgentLeft(CallEvent):
    """The agent's leg ended while the call may go on (hung up, dropped)."""

    kind: Literal["agent_left"] = "agent_left"
    agent: str
    channel: str


class CallEnded(CallEvent):
    """The caller's leg is gone. `unseen` is true when it ended while the bridge was away."""

    kind: Literal["call_ended"] = "call_ended"
    by: EndedBy = "unknown"
    cause: int = 0
    """Q.850 cause as Asterisk gives it; 16 is normal clearing, 0 unknown."""
    unseen: bool = False


class OfferDeclined(CallEvent):
    """A waiting caller who had spoken of danger was offered these lines and said no, by a digit."""

    kind: Literal["offer_declined"] = "offer_declined"
    lines: tuple[str, ...]


class EmergencyKeyPressed(CallEvent):
    """The caller pressed the key for help (9, or 9* and 99). Told even when nothing comes of it: the caller may be gone
    before the menu of lines has been said, or may go back. A `LinkageAsked` follows when a line is asked for.
    """

    kind: Literal["emergency_key_pressed"] = "emergency_key_pressed"


class LinkageEvent(CallEvent):
    """An event of a call's three-line linkage (YZ-14(5)). A call has one linkage at most, known by its `call_id`;
    lines are added to it and taken out of it. A repeated `LinkageAsked` adds lines to the linkage that is there.
    """

    rebuilt: bool = False
    """True when it happened while the bridge was away and was put together afterwards from the dialplan's notes."""


class LinkageAsked(LinkageEvent):
    """Somebody asked for these lines. `who` is the agent's extension or account, '' for the caller."""

    kind: Literal["linkage_asked"] = "linkage_asked"
    lines: tuple[str, ...]
    by: Literal["agent", "caller", "hotline", "trunk"]
    via: Literal["desk", "feature_code", "digit", "speech", "dialplan"]
    who: str = ""


class LinkageJoined(LinkageEvent):
    """A party came into the conference. `name` is an extension, a line (`119`), or the caller's number."""

    kind: Literal["linkage_joined"] = "linkage_joined"
    party: Party
    name: str
    channel: str


class LinkageLeft(LinkageEvent):
    """A party is out of the conference.

    `reason`: left (an agent's own act; caller and line stay), dropped (its leg went), taken_out (a line, by the desk),
    ended (with the whole linkage; or a line, which has hung up after a conversation and is not dialled again).
    """

    kind: Literal["linkage_left"] = "linkage_left"
    party: Party
    name: str
    channel: str
    reason: Literal["left", "dropped", "taken_out", "ended"]


class LineAttempt(LinkageEvent):
    """How an attempt to reach a line goes: told as `dialling`, perhaps as `ringing` and `answered`, once at its end.

    (`dialling`, `attempt`) names the attempt: `dialling` is the same for all attempts of one asking of a line, a line
    that is asked for again later has another; `attempt` counts from 1. `number` and `trunk` are those of the target.
    """

    kind: Literal["line_attempt"] = "line_attempt"
    line: str
    dialling: str
    attempt: int
    number: str
    trunk: str
    outcome: Outcome
    cause: int = 0
    """Q.850 cause, 0 when there is none."""
    detail: str = ""
    """What the other side said, such as `SIP 486 Busy Here`."""


class LineExhausted(LinkageEvent):
    """The line is not dialled any more. `told_caller`: no target could be reached, and its number was read to the
    caller; else it had answered, and has hung up.
    """

    kind: Literal["line_exhausted"] = "line_exhausted"
    line: str
    dialling: str
    told_caller: bool


class PartyMuted(LinkageEvent):
    """A party of the conference was muted, or may be heard again."""

    kind: Literal["party_muted"] = "party_muted"
    party: Party
    name: str
    muted: bool


class LinkageEnded(LinkageEvent):
    """The linkage is over: the caller is gone, or it was ended for all.

    `recording` is the conference's file below the recordings folder, '' when calls are not recorded.
    """

    kind: Literal["linkage_ended"] = "linkage_ended"
    recording: str = ""


class NodeInventory(BaseModel):
    """All calls that one Asterisk node holds, told by its bridge whenever it has (re)connected.

    A call of this node that arrived before `at` and is not listed ended while nobody looked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["node_inventory"] = "node_inventory"
    event_id: str
    at: AwareDatetime
    node: str
    live_call_ids: tuple[str, ...]


class UtteranceInterim(BaseModel):
    """What is being said right now, not final, not stored; replaced by the next one or by the `Utterance`."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["utterance_interim"] = "utterance_interim"
    call_id: str
    speaker: Speaker
    tap_id: str
    number: int
    text: str
    at: AwareDatetime = Field(default_factory=now)


Event = (
    CallArrived
    | CallQueued
    | AgentRinging
    | AgentAnswered
    | ListeningStarted
    | ListeningUnavailable
    | Utterance
    | AgentLeft
    | CallEnded
    | OfferDeclined
    | EmergencyKeyPressed
    | LinkageAsked
    | LinkageJoined
    | LinkageLeft
    | LineAttempt
    | LineExhausted
    | PartyMuted
    | LinkageEnded
    | NodeInventory
)
_adapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def dump(event: Event) -> bytes:
    """The event as JSON, UTF-8."""
    return event.model_dump_json().encode()


def load(data: bytes | str) -> Event:
    """The event in `data` (JSON). Raises `pydantic.ValidationError`, a ValueError, when it is none."""
    return _adapter.validate_json(data)
