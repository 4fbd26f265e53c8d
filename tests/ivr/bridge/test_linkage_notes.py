"""The dialplan's notes as events, and what the registry makes of them: live, told again, and of calls that are gone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ivr.bridge import linkage_notes
from ivr.bridge.linkage_notes import Note
from ivr.bridge.registry import Registry
from ivr.events import (
    CallEnded,
    EmergencyKeyPressed,
    Event,
    LineAttempt,
    LineExhausted,
    LinkageAsked,
    LinkageJoined,
    LinkageLeft,
    dump,
    load,
)
from ivr.wire.ami import Message

CALL = "6f1d893a-5c5e-4b2f-8a3e-a2461bef847f"
KEY = "1795302773065315-31af0b70-c42b-4951-9424-eced9de9fefd"
DIALS = f"Local/119-{CALL}@link-line-00000001;2"
CALLER = {"Channel": "PJSIP/loopback-00000001", "Uniqueid": "u-caller"}
AGENT = {"DestChannel": "PJSIP/8001-00000002", "DestUniqueid": "u-agent"}


def made(text: str, key: str = KEY) -> Note:
    found = linkage_notes.note(CALL, key, text)
    assert found is not None
    return found


def attempt(status: str, cause: str = "0", detail: str = "") -> str:
    return f"attempt|119|u.5|1|119486|carrier|{status}|{cause}|{detail}|{DIALS}"


@pytest.mark.parametrize(
    ("status", "sip", "outcome"),
    [
        ("DIALLING", "", "dialling"),
        ("ANSWERED", "", "answered"),
        ("BUSY", "SIP 486 Busy Here", "busy"),
        ("NOANSWER", "", "no_answer"),
        ("NOANSWER", "SIP 480 Temporarily Unavailable", "unavailable"),
        ("CONGESTION", "SIP 503 Service Unavailable", "congestion"),
        ("CHANUNAVAIL", "SIP 404 Not Found", "unavailable"),
        ("CHANUNAVAIL", "", "unavailable"),
        ("CONGESTION", "SIP 600 Busy Everywhere", "busy"),
        ("ANSWER", "SIP 200 OK", "dropped"),
        ("ENDED", "SIP 200 OK", "dropped"),
        ("CANCELLED", "", "cancelled"),
        ("INVALIDARGS", "", "failed"),
    ],
    ids=lambda value: value.replace(" ", "_") or "-",
)
def test_how_an_attempt_went(status: str, sip: str, outcome: str) -> None:
    event = linkage_notes.events(made(attempt(status, "17", sip)), rebuilt=False)[0]
    assert isinstance(event, LineAttempt)
    assert (event.outcome, event.line, event.dialling, event.attempt) == (outcome, "119", "u.5", 1)
    assert (event.number, event.trunk, event.cause, event.detail) == ("119486", "carrier", 17, sip)


def test_an_answer_brings_the_line_in_and_a_drop_takes_it_out() -> None:
    answered = linkage_notes.events(made(attempt("ANSWERED")), rebuilt=False)
    assert isinstance(answered[1], LinkageJoined) and answered[1].channel == DIALS.replace(";2", ";1")
    for status, detail, reason in (
        ("ANSWER", "", "dropped"),
        ("ENDED", "", "ended"),
        ("HUNGUP", "taken_out", "taken_out"),
        ("HUNGUP", "ended", "ended"),
    ):
        gone = linkage_notes.events(made(attempt(status, "16", detail)), rebuilt=True)
        assert isinstance(gone[1], LinkageLeft) and gone[1].reason == reason and gone[1].rebuilt
        assert gone[0].event_id != gone[1].event_id


def test_all_kinds_survive_their_json() -> None:
    texts = [
        "pressed",
        "asked|119-120|agent|desk|8001",
        "joined|caller|13800138000|PJSIP/loopback-00000001",
        "left|agent|8001|PJSIP/8001-00000002|left",
        attempt("BUSY", "17", "SIP 486 Busy Here"),
        "exhausted|119|u.5|yes",
        f"ended|{CALL}-linkage.wav",
        "ended|",
    ]
    for text in texts:
        (event, *_) = linkage_notes.events(made(text), rebuilt=True)
        assert load(dump(event)) == event
        assert event.at == datetime(2026, 11, 21, 23, 12, 53, 65315, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "asked|119",
        "asked|119|nobody|desk|",
        "joined|caller",
        "attempt|119",
        attempt("BUSY", "x"),
        "left|a|b|c|d",
    ],
    ids=range(8),
)
def test_a_note_that_cannot_be_read_tells_nothing(text: str) -> None:
    assert linkage_notes.events(made(text), rebuilt=False) == []


@pytest.mark.parametrize("key", ["open", "reached", "", "12-x", KEY + "x", "x" + KEY])
def test_the_dialplans_own_marks_are_no_notes(key: str) -> None:
    assert linkage_notes.note(CALL, key, "1") is None


def event(name: str, **headers: str) -> Message:
    return Message((("Event", name), ("ChanVariable", f"CALL_ID={CALL}"), *headers.items()))


def told(text: str, number: int = 1) -> Message:
    key = f"17953027730653{number:02d}-31af0b70-c42b-4951-9424-eced9de9fefd"
    return event("UserEvent", UserEvent="Linkage", CallId=CALL, Key=key, Note=text)


@pytest.fixture
def registry() -> Registry:
    found = Registry("node", ["8001", "8002"])
    found.handle(event("UserEvent", UserEvent="CallArrived", CallId=CALL, Called="12345", CallerIDNum="138", **CALLER))
    found.handle(event("AgentConnect", **CALLER, **AGENT))
    return found


def play(registry: Registry, *messages: Message) -> list[Event]:
    return [found for message in messages for found in registry.handle(message)]


def test_the_state_of_a_linkage(registry: Registry) -> None:
    play(
        registry,
        told("asked|119-120|agent|desk|8001", 1),
        told("joined|caller|138|c", 2),
        told("joined|agent|8001|a", 3),
    )
    linkage = registry.calls[CALL].linkage
    assert linkage and linkage.open and linkage.caller_in and linkage.agent_in and linkage.lines == {}
    play(registry, told(attempt("DIALLING"), 4))
    assert linkage.lines == {"119": "dialling"}
    play(registry, told(attempt("ANSWERED"), 5))
    assert linkage.lines == {"119": "connected"} and linkage.channels == {"119": DIALS.replace(";2", ";1")}
    play(registry, told(attempt("ANSWER"), 6))
    assert linkage.lines == {"119": "dialling"} and linkage.channels == {}
    play(registry, told("exhausted|119|u.5|no", 7))
    assert linkage.lines == {}
    play(registry, told("left|agent|8001|a|left", 8))
    assert not linkage.agent_in
    play(registry, told("ended|", 9))
    assert not linkage.open and not linkage.caller_in


def test_the_emergency_key_alone_is_no_linkage(registry: Registry) -> None:
    (pressed,) = play(registry, told("pressed"))
    assert isinstance(pressed, EmergencyKeyPressed)
    assert registry.calls[CALL].linkage is None
    assert play(registry, told("pressed")) == []


def test_a_note_is_told_once(registry: Registry) -> None:
    first = play(registry, told("exhausted|119|u.5|yes"))
    assert isinstance(first[0], LineExhausted) and not first[0].rebuilt
    assert play(registry, told("exhausted|119|u.5|yes")) == []
    key = "1795302773065301-31af0b70-c42b-4951-9424-eced9de9fefd"
    assert registry.replay([made("exhausted|119|u.5|yes", key)]) == []


def test_what_was_missed_is_told_with_the_same_ids_and_marked(registry: Registry) -> None:
    texts = ["asked|119|agent|feature_code|8001", attempt("DIALLING"), attempt("ANSWERED")]
    live = play(registry, *(told(text, number) for number, text in enumerate(texts)))
    other = Registry("node", ["8001"])
    other.handle(event("UserEvent", UserEvent="CallArrived", CallId=CALL, Called="12345", CallerIDNum="138", **CALLER))
    keys = [f"17953027730653{number:02d}-31af0b70-c42b-4951-9424-eced9de9fefd" for number in range(3)]
    again = other.replay(made(text, key) for text, key in zip(texts, keys, strict=True))
    assert [found.event_id for found in again] == [found.event_id for found in live]
    assert all(found.rebuilt for found in again if isinstance(found, LinkageAsked | LineAttempt | LinkageJoined))
    assert other.calls[CALL].linkage == registry.calls[CALL].linkage


def test_notes_of_calls_that_are_not_there_mean_nothing(registry: Registry) -> None:
    other = CALL.replace("6", "7")
    message = event("UserEvent", UserEvent="Linkage", CallId=other, Key=KEY, Note="asked|119|agent|desk|8001")
    assert registry.handle(message) == []


def test_what_is_noted_after_the_callers_end_is_told(registry: Registry) -> None:
    play(registry, told("asked|119|agent|desk|8001", 1), event("Hangup", Cause="16", **CALLER))
    (late,) = play(registry, told("left|agent|8001|a|ended", 2))
    assert isinstance(late, LinkageLeft) and late.name == "8001"
    assert registry.calls == {}


def test_in_a_linkage_the_agents_end_is_not_the_calls(registry: Registry) -> None:
    play(registry, told("asked|119|agent|desk|8001", 1))
    events = play(registry, event("AgentComplete", Reason="agent", **CALLER), event("Hangup", Cause="16", **CALLER))
    assert [found.by for found in events if isinstance(found, CallEnded)] == ["caller"]


def test_the_agent_hangs_up_after_the_lines(registry: Registry) -> None:
    play(registry, told("asked|119|agent|desk|8001", 1), told("closing|agent", 2))
    events = play(registry, event("Hangup", Cause="16", **CALLER))
    assert [found.by for found in events if isinstance(found, CallEnded)] == ["agent"]


def test_a_line_that_rings(registry: Registry) -> None:
    variables = ("ChanVariable", "LINE_ATTEMPT=119|u.5|2|119|carrier")
    rings = Message((*event("DialState", DialStatus="RINGING").headers, variables))
    (found,) = registry.handle(rings)
    assert isinstance(found, LineAttempt) and (found.outcome, found.attempt, found.trunk) == ("ringing", 2, "carrier")
    assert registry.handle(rings)[0].event_id == found.event_id
    # An agent's telephone that rings is none.
    assert registry.handle(event("DialState", DialStatus="RINGING")) == []
    progress = Message((*event("DialState", DialStatus="PROGRESS").headers, variables))
    assert registry.handle(progress) == []
