"""A leg's waiting audio: bounded, and whatever is lost, the rest stays where it was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from asr_models.recogniser import Final, Interim
from ivr.events import Tap
from ivr.listening.leg import Leg, State
from ivr.listening.models import Loaded
from ivr.outbox import Outbox
from tests.asr_models.spoken import SECOND, noise


class Tape:
    """A recogniser whose one stream keeps what it is handed, at its place in the audio."""

    name = "tape"

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.position = 0
        self.closed = False

    def start(self) -> Tape:
        return self

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        self.parts.append((self.position, pcm))
        self.position += len(pcm) // 2
        return []

    def skip(self, samples: int) -> list[Interim | Final]:
        self.position += samples
        return []

    def close(self) -> list[Final]:
        self.closed = True
        return []


class Rig:
    def __init__(self, tmp_path: Path) -> None:
        self.tape = Tape()
        # Not started: what is published waits in it, and Redis is not asked.
        self.outbox = Outbox(Redis(), tmp_path / "spool.jsonl")
        self.ready = 0
        tap = Tap(tap_id="t", call_id="c", speaker="caller", channel="x")
        self.leg = Leg(
            tap,
            Loaded("zh", self.tape),
            self.outbox,
            chunk_seconds=0.2,
            backlog_seconds=3,
            gate=0,
            ready=lambda _: self.count(),
        )

    def count(self) -> None:
        self.ready += 1

    def work(self, turns: int = 1_000_000) -> None:
        while turns and self.leg.waits_since is not None:
            piece = self.leg.take()
            self.leg.worked(piece, self.leg.work(piece))
            turns -= 1

    @property
    def told(self) -> list[Any]:
        return [(event.kind, getattr(event, "reason", None), event.event_id) for event in self.outbox._waiting]


# Loud noise: the gate at its least aggressive takes it for voice and passes all of it.
SOUND = noise(60, 8000)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def all_where_it_was(tape: Tape) -> None:
    assert tape.parts
    for position, pcm in tape.parts:
        assert SOUND[2 * position : 2 * position + len(pcm)] == pcm


def test_audio_is_decoded_in_chunks(rig: Rig) -> None:
    for start in range(0, SECOND, 320):
        rig.leg.hear(SOUND[start : start + 320])
    assert rig.ready == 5
    rig.work()
    all_where_it_was(rig.tape)
    assert rig.told == []


def test_the_oldest_is_dropped_and_told_once(rig: Rig) -> None:
    for start in range(0, 10 * SECOND, 320):
        rig.leg.hear(SOUND[start : start + 320])
    assert rig.leg._waiting_bytes <= 3 * SECOND
    rig.work()
    all_where_it_was(rig.tape)
    assert rig.tape.position == 10 * SECOND // 2
    assert rig.told == [
        ("listening_unavailable", "overloaded", "t:unavailable:1"),
        ("listening_started", None, "t:started:2"),
    ]


def test_dropped_again_and_again_at_random(rig: Rig) -> None:
    chance = random.Random(7)
    start = 0
    while start < len(SOUND):
        size = 2 * chance.randint(1, 8000)
        rig.leg.hear(SOUND[start : start + size])
        start += size
        if chance.random() < 0.2:
            rig.work(chance.randint(1, 6))
        assert rig.leg._waiting_bytes <= 3 * SECOND
        assert len(rig.leg._waiting) <= 3 / 0.2 + 2
    rig.leg.end()
    rig.work()
    all_where_it_was(rig.tape)
    assert rig.tape.position == len(SOUND) // 2
    assert rig.tape.closed and rig.leg.gone


def test_left_out_and_taken_back(rig: Rig) -> None:
    rig.leg.hear(SOUND[: 2 * SECOND])
    rig.work()
    rig.leg.hear(SOUND[2 * SECOND : 4 * SECOND])
    rig.leg.leave_out("overloaded", "agent_shed", "busy")
    rig.leg.leave_out("overloaded", "agent_shed", "busy")
    rig.work()
    for start in range(4 * SECOND, 30 * SECOND, SECOND):
        rig.leg.hear(SOUND[start : start + SECOND])
        assert rig.leg.waits_since is None
    rig.leg.take_back()
    rig.leg.hear(SOUND[30 * SECOND : 33 * SECOND])
    rig.leg.end()
    rig.work()
    all_where_it_was(rig.tape)
    assert rig.tape.position == 33 * SECOND // 2
    heard = sum(len(pcm) for _, pcm in rig.tape.parts)
    assert heard == pytest.approx(5 * SECOND, abs=SECOND // 2)
    assert rig.told == [
        ("listening_unavailable", "overloaded", "t:unavailable:1"),
        ("listening_started", None, "t:started:2"),
    ]


def test_a_leg_that_never_was_listened_to_ends_without_a_stream(rig: Rig) -> None:
    rig.leg.leave_out("overloaded", "caller_shed", "busy")
    rig.leg.hear(SOUND[:SECOND])
    rig.leg.end()
    rig.leg.end()
    rig.work()
    assert rig.leg.gone and rig.tape.parts == []


def test_a_failure_is_told_once_and_for_all(rig: Rig) -> None:
    rig.leg.hear(SOUND[:SECOND])
    rig.leg.worked(rig.leg.take(), ValueError("broken"))
    rig.leg.worked(rig.leg._waiting[0] if rig.leg._waiting else None, ValueError("again"))  # type: ignore[arg-type]
    assert rig.told == [("listening_unavailable", "tap_failed", "t:unavailable:1")]
    assert rig.outbox._waiting[0].detail == "ValueError: broken"  # type: ignore[union-attr]
    rig.leg.hear(SOUND[:SECOND])
    rig.leg.end()
    assert rig.leg.state is State.OVER and rig.leg.gone


def test_a_failure_at_the_very_end_is_told_too(rig: Rig) -> None:
    rig.leg.hear(SOUND[: SECOND // 2])
    rig.leg.end()
    rig.leg.worked(rig.leg.take(), ValueError("broken"))
    assert rig.told == [("listening_unavailable", "tap_failed", "t:unavailable:1")]
    assert rig.leg.gone
