"""What the bridge tells of calls that came and went while it was dead, from the dialplan's notes of them."""

from __future__ import annotations

import pytest

from ivr.ami import AmiClient
from ivr.bridge import linkage_notes
from ivr.bridge.journal import Journal
from ivr.bridge.linkage_notes import Note
from ivr.events import CallArrived, CallEnded, EmergencyKeyPressed, LinkageAsked, LinkageEnded
from ivr.wire.ami import Message

CALL = "6f1d893a-5c5e-4b2f-8a3e-a2461bef847f"


def arrived(value: str) -> list[Message]:
    return [Message((("Key", f"/arrived/{CALL}"), ("Val", value)))]


def noted(text: str) -> Note:
    found = linkage_notes.note(CALL, "1795302773065315-31af0b70-c42b-4951-9424-eced9de9fefd", text)
    assert found is not None
    return found


@pytest.fixture
def journal() -> Journal:
    async def nothing() -> None: ...

    return Journal(AmiClient("127.0.0.1", 9, "u", "s", on_event=lambda message: None, on_up=nothing), "node")


@pytest.mark.parametrize(
    ("value", "caller", "source"),
    [
        ("1795302773|110|12345|110", "110", "110"),
        ("1795302773|13800138000|12345|", "13800138000", ""),
        ("1795302773||12345|", "", ""),
        ("1795302773|13800138000|12345", "13800138000", ""),  # as it was noted before there was a source
    ],
    ids=["from_110", "citizen", "withheld", "old"],
)
async def test_who_called_and_who_handed_over(journal: Journal, value: str, caller: str, source: str) -> None:
    told = journal.ended_unseen(arrived(value), {}, set())
    await journal.close()
    assert [type(event) for event in told] == [CallArrived, CallEnded]
    first = told[0]
    assert isinstance(first, CallArrived)
    assert (first.caller_number, first.called_number, first.source) == (caller, "12345", source)


async def test_the_emergency_key_is_told_and_is_no_linkage(journal: Journal) -> None:
    linkages = {CALL: [noted("pressed")]}
    told = journal.ended_unseen(arrived("1795302773|138|12345|"), linkages, set())
    assert [type(event) for event in told] == [CallArrived, EmergencyKeyPressed, CallEnded]
    linkages[CALL].append(noted("asked|119|caller|digit|"))
    told = journal.ended_unseen(arrived("1795302773|138|12345|"), linkages, set())
    await journal.close()
    assert [type(event) for event in told][2:] == [LinkageAsked, LinkageEnded, CallEnded]
