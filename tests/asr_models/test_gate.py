"""The gate: silence is not decoded, no syllable is lost, and times stay those of the real audio."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_models import catalogue, vosk_recogniser
from asr_models.gate import GatedStream
from asr_models.recogniser import Final, Interim, Recogniser
from tests.asr_models.spoken import (
    LAMPS,
    RATE,
    WATER,
    digits,
    noise,
    pieces,
    ringing,
    say,
    seconds,
    silence,
)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    demo = catalogue.find("demo", Path("/nowhere"))
    assert demo
    return vosk_recogniser.load(demo)


def heard(recogniser: Recogniser, pcm: bytes, size: int = 3200) -> tuple[list[Final], GatedStream]:
    stream = GatedStream(recogniser.start(), 2)
    results: list[Interim | Final] = []
    for piece in pieces(pcm, size):
        results += stream.feed(piece)
    results += stream.close()
    return [result for result in results if isinstance(result, Final)], stream


@pytest.mark.parametrize("text", [LAMPS, WATER])
def test_speech_between_silences(text: str, recogniser: Recogniser) -> None:
    pcm = silence(5) + say(text) + silence(5)
    (final,), stream = heard(recogniser, pcm)
    assert final.text == text
    assert stream.passed_samples / RATE < seconds(say(text)) + 1.5


def test_times_after_a_long_silence(recogniser: Recogniser) -> None:
    lamps, water = say(LAMPS), say(WATER)
    (first, second), _ = heard(recogniser, silence(90) + lamps + silence(45) + water + silence(2))
    assert (first.text, second.text) == (LAMPS, WATER)
    assert first.start == pytest.approx(90, abs=0.3)
    assert first.end == pytest.approx(90 + seconds(lamps), abs=0.5)
    assert second.start == pytest.approx(135 + seconds(lamps), abs=0.3)
    assert second.end == pytest.approx(135 + seconds(lamps) + seconds(water), abs=0.5)
    times = [time for word in first.words + second.words for time in (word.start, word.end)]
    assert times == sorted(times)


def test_the_end_is_told_soon(recogniser: Recogniser) -> None:
    """The utterance is final less than 0.9 s of audio after the last word."""
    stream = GatedStream(recogniser.start(), 2)
    speech = say(WATER)
    for piece in pieces(speech):
        assert not any(isinstance(result, Final) for result in stream.feed(piece))
    for number, piece in enumerate(pieces(silence(2)), start=1):
        if any(isinstance(result, Final) for result in stream.feed(piece)):
            assert number * 0.2 <= 0.9
            return
    pytest.fail("never final")


def test_speech_that_is_cut_off_at_the_end_is_told_at_close(recogniser: Recogniser) -> None:
    (final,), _ = heard(recogniser, silence(1) + say(WATER))
    assert final.text == WATER


@pytest.mark.parametrize(
    "sound",
    [
        silence(20),
        noise(10, 20),
        noise(10, 300),
        noise(10, 2000),
        silence(1) + digits("159#0") + silence(1),
        ringing() + ringing(),
        b"\x00\x40" * 160 + silence(2),
    ],
    ids=["silence", "hiss", "noise", "loud noise", "dtmf", "ringing", "click"],
)
def test_what_is_no_speech_gives_no_utterance(sound: bytes, recogniser: Recogniser) -> None:
    finals, _ = heard(recogniser, sound)
    assert finals == []


def test_silence_is_not_decoded(recogniser: Recogniser) -> None:
    _, stream = heard(recogniser, silence(60))
    assert stream.passed_samples == 0
    assert stream.gated_samples >= 59 * RATE


def test_skipped_audio_counts_and_finishes_what_was_said(recogniser: Recogniser) -> None:
    stream = GatedStream(recogniser.start(), 2)
    results: list[Interim | Final] = [r for piece in pieces(silence(1) + say(WATER)) for r in stream.feed(piece)]
    results += stream.skip(30 * RATE)
    results += [r for piece in pieces(say(LAMPS)) for r in stream.feed(piece)]
    results += stream.close()
    first, second = [result for result in results if isinstance(result, Final)]
    assert (first.text, second.text) == (WATER, LAMPS)
    assert second.start == pytest.approx(31 + seconds(say(WATER)), abs=0.3)


class Tape:
    """A stream that keeps what it is handed, at its place in the real audio."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.position = 0

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        self.parts.append((self.position, pcm))
        self.position += len(pcm) // 2
        return []

    def skip(self, samples: int) -> list[Interim | Final]:
        self.position += samples
        return []

    def close(self) -> list[Final]:
        return []


SOUND = silence(1.5) + say("停水") + silence(2.5) + say("路灯") + silence(0.3) + digits("5") + silence(1.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=4000), min_size=1, max_size=12))
def test_however_it_is_cut_what_is_passed_lies_where_it_was(sizes: list[int]) -> None:
    tape = Tape()
    stream = GatedStream(tape, 2)
    start = turn = 0
    while start < len(SOUND):
        size = 2 * sizes[turn % len(sizes)]
        stream.feed(SOUND[start : start + size])
        start += size
        turn += 1
    stream.close()
    assert tape.parts
    for position, pcm in tape.parts:
        assert SOUND[2 * position : 2 * position + len(pcm)] == pcm
    assert stream.passed_samples == sum(len(pcm) for _, pcm in tape.parts) // 2 < len(SOUND) // 2
