"""The call registry: AMI messages as Asterisk 22 sends them in, published events out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ivr.bridge.registry import Registry, endpoint_of
from ivr.events import (
    AgentAnswered,
    AgentLeft,
    AgentRinging,
    CallArrived,
    CallEnded,
    CallQueued,
    NodeInventory,
    dump,
    load,
    now,
)
from ivr.wire.ami import Message

CALL = "6f1d893a-5c5e-4b2f-8a3e-a2461bef847f"
OTHER = "0c2f7d4e-9b1a-4e6d-b6a5-3dca1f0c77aa"


def message(event: str, *headers: tuple[str, str], call: str = CALL, **more: str) -> Message:
    base = [("Event", event), ("ChanVariable", f"CALL_ID={call}"), *headers, *more.items()]
    return Message(tuple(base))


def arrived(call: str = CALL, channel: str = "PJSIP/loopback-00000001", number: str = "13800138000") -> Message:
    return message(
        "UserEvent",
        ("UserEvent", "CallArrived"),
        ("CallId", call),
        ("Called", "12345"),
        call=call,
        Channel=channel,
        Uniqueid=f"u-{channel}",
        CallerIDNum=number,
        CallerIDName="<unknown>",
    )


AGENT = {"DestChannel": "PJSIP/8001-00000002", "DestUniqueid": "agent-leg"}
CALLER = {"Channel": "PJSIP/loopback-00000001", "Uniqueid": "u-PJSIP/loopback-00000001"}


@pytest.fixture
def registry() -> Registry:
    return Registry("node", ["8001", "8002"])


def play(registry: Registry, *messages: Message) -> list[object]:
    return [event for message in messages for event in registry.handle(message)]


def test_a_calls_language_is_that_of_its_channel(registry: Registry) -> None:
    """Of the caller's when it came; a key of the dialplan may change it before the call is queued again."""
    speaking = message("UserEvent", ("UserEvent", "CallArrived"), ("CallId", CALL), **CALLER, Language="zh")
    play(registry, speaking)
    assert registry.calls[CALL].language == "zh"
    play(registry, message("QueueCallerJoin", Queue="q-general", Position="1", **CALLER, Language="en"))
    assert registry.calls[CALL].language == "en"
    play(registry, message("QueueCallerJoin", Queue="q-general", Position="1", **CALLER))
    assert registry.calls[CALL].language == "en"


def test_a_whole_call_in_order(registry: Registry) -> None:
    events = play(
        registry,
        arrived(),
        message("QueueCallerJoin", Queue="q-general", Position="2", **CALLER),
        message("AgentCalled", **CALLER, **AGENT),
        message("AgentConnect", **CALLER, **AGENT),
        message("AgentComplete", Reason="agent", **CALLER, **AGENT),
        message("Hangup", Channel="PJSIP/8001-00000002", Uniqueid="agent-leg", Cause="16"),
        message("Hangup", Cause="16", **CALLER),
    )
    kinds = [type(event) for event in events]
    assert kinds == [CallArrived, CallQueued, AgentRinging, AgentAnswered, AgentLeft, CallEnded]
    first, queued, ringing, answered, left, ended = events
    assert isinstance(first, CallArrived) and (first.caller_number, first.called_number) == ("13800138000", "12345")
    assert first.caller_name == "" and first.trunk == "loopback"
    assert isinstance(queued, CallQueued) and (queued.queue, queued.position) == ("general", 2)
    assert isinstance(ringing, AgentRinging) and ringing.agent == "8001"
    assert isinstance(answered, AgentAnswered) and answered.agent == "8001" and answered.waited_seconds >= 0
    assert isinstance(left, AgentLeft) and left.agent == "8001"
    assert isinstance(ended, CallEnded) and (ended.by, ended.cause) == ("agent", 16)
    assert registry.calls == {}


def test_events_survive_their_json(registry: Registry) -> None:
    for event in registry.handle(arrived()):
        assert load(dump(event)) == event


def test_the_caller_hangs_up_while_waiting(registry: Registry) -> None:
    events = play(registry, arrived(), message("Hangup", Cause="0", **CALLER))
    assert isinstance(events[-1], CallEnded) and events[-1].by == "caller"


def test_the_callers_leg_may_end_before_the_agents(registry: Registry) -> None:
    events = play(
        registry,
        arrived(),
        message("AgentConnect", **CALLER, **AGENT),
        message("Hangup", Cause="16", **CALLER),
        message("Hangup", Channel="PJSIP/8001-00000002", Uniqueid="agent-leg", Cause="16"),
    )
    assert [type(e) for e in events] == [CallArrived, AgentAnswered, CallEnded]


def test_the_same_arrival_twice_is_one_call(registry: Registry) -> None:
    assert len(play(registry, arrived(), arrived())) == 1


def test_two_calls_do_not_mix(registry: Registry) -> None:
    other = {"Channel": "PJSIP/loopback-00000009", "Uniqueid": "u-PJSIP/loopback-00000009"}
    play(registry, arrived(), arrived(OTHER, "PJSIP/loopback-00000009", "13900139000"))
    events = play(
        registry, message("AgentConnect", call=OTHER, **other, **AGENT), message("Hangup", Cause="16", **CALLER)
    )
    assert [getattr(e, "call_id", "") for e in events] == [OTHER, CALL]
    assert set(registry.calls) == {OTHER}


@pytest.mark.parametrize("call_id", ["", "x", "../../etc/passwd", "{" + CALL + "}", CALL.upper()])
def test_a_call_id_that_is_no_uuid_is_not_believed(registry: Registry, call_id: str) -> None:
    assert registry.handle(arrived(call_id)) == []
    assert registry.calls == {}


def test_events_of_unknown_calls_and_channels_mean_nothing(registry: Registry) -> None:
    assert (
        play(
            registry,
            message("QueueCallerJoin", call=OTHER, Queue="q-general", Position="1"),
            message("AgentConnect", call=OTHER, **AGENT),
            message("Hangup", Uniqueid="nobody", Cause="16"),
            Message((("Event", "Hangup"),)),
        )
        == []
    )


def listed(
    call: str, channel: str, uniqueid: str, *, called: str = "", bridge: str = "", app: str = "Queue"
) -> Message:
    headers = [
        ("Event", "CoreShowChannel"),
        ("ChanVariable", f"CALL_ID={call}"),
        ("ChanVariable", "QUEUE=general"),
        ("Channel", channel),
        ("Uniqueid", uniqueid),
        ("BridgeId", bridge),
        ("Application", app),
        ("Duration", "00:01:40"),
        ("CallerIDNum", "13800138000"),
        ("CallerIDName", "王"),
    ]
    if called:
        headers.append(("ChanVariable", f"CALLED={called}"))
    return Message(tuple(headers))


TALKING = [
    listed(CALL, "PJSIP/loopback-00000001", CALLER["Uniqueid"], called="12345", bridge="b1"),
    listed(CALL, "PJSIP/8001-00000002", "agent-leg", bridge="b1", app="AppQueue"),
]


def test_rebuild_finds_calls_that_began_unseen(registry: Registry) -> None:
    at = now()
    waiting = listed(OTHER, "PJSIP/loopback-00000003", "w", called="88840001")
    events = registry.rebuild([*TALKING, waiting], at)
    assert [type(e) for e in events] == [CallArrived, AgentAnswered, CallArrived, CallQueued, NodeInventory]
    assert isinstance(events[0], CallArrived) and events[0].rebuilt and events[0].at == at - timedelta(seconds=100)
    assert isinstance(events[-1], NodeInventory) and set(events[-1].live_call_ids) == {CALL, OTHER}
    assert registry.calls[CALL].agent is not None and registry.calls[OTHER].agent is None


def test_rebuild_tells_the_same_ids_as_the_first_time(registry: Registry) -> None:
    first = play(registry, arrived(), message("AgentConnect", **CALLER, **AGENT))
    again = Registry("node", ["8001"]).rebuild(TALKING)
    told = {e.event_id for e in first if isinstance(e, CallArrived | AgentAnswered)}
    assert told <= {e.event_id for e in again}


def test_rebuild_of_a_known_state_tells_only_the_inventory(registry: Registry) -> None:
    registry.rebuild(TALKING)
    assert [type(e) for e in registry.rebuild(TALKING)] == [NodeInventory]


def test_rebuild_notices_that_the_agent_has_gone(registry: Registry) -> None:
    registry.rebuild(TALKING)
    events = registry.rebuild([listed(CALL, "PJSIP/loopback-00000001", CALLER["Uniqueid"], called="12345")])
    assert [type(e) for e in events] == [AgentLeft, CallQueued, NodeInventory]


def test_rebuild_leaves_ended_calls_out(registry: Registry) -> None:
    registry.handle(arrived())
    events = registry.rebuild([])
    assert isinstance(events[0], NodeInventory) and events[0].live_call_ids == ()
    assert registry.calls == {}


def test_two_people_on_one_bridge_who_are_no_agents_are_not_taken_for_one(registry: Registry) -> None:
    registry.rebuild([TALKING[0], listed(CALL, "PJSIP/carrier-00000005", "line", bridge="b1")])
    assert registry.calls[CALL].agent is None


@pytest.mark.parametrize("duration", ["", "x", "1:2", "-1:00:00", "١:00:00", "00:00:x"])
def test_a_duration_that_is_none_counts_as_now(registry: Registry, duration: str) -> None:
    at = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
    headers = tuple((n, duration if n == "Duration" else v) for n, v in TALKING[0].headers)
    event = registry.rebuild([Message(headers)], at)[0]
    assert isinstance(event, CallArrived) and event.at == at


@pytest.mark.parametrize(
    ("channel", "endpoint"),
    [("PJSIP/8001-0000002a", "8001"), ("PJSIP/carrier-a-00000001", "carrier-a"), ("", ""), ("Local", "")],
)
def test_the_endpoint_in_a_channels_name(channel: str, endpoint: str) -> None:
    assert endpoint_of(channel) == endpoint
