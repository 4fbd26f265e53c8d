"""A leg that carries what is no speech, or speech without end: nothing is invented, nothing grows.

Fed as fast as it is decoded. The sounds are computed; the speech is real, and so is the recogniser.
"""

from __future__ import annotations

import gc
import math
import random
import wave
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis

from asr_models.recogniser import Recogniser
from ivr.events import Tap, Utterance
from ivr.listening.leg import Leg
from ivr.listening.models import Loaded
from ivr.melody import write_melody
from ivr.outbox import Outbox
from tests.asr_models.spoken import LAMPS, RATE, SECOND, WATER, digits, noise, pieces, say, seconds, silence, tone

MINUTE = 60.0


class Ear:
    """A leg that is fed and worked for in turns, and what it tells."""

    def __init__(self, recogniser: Recogniser, folder: Path, gate: int = 2) -> None:
        self._outbox = Outbox(Redis(), folder / "spool.jsonl")
        tap = Tap(tap_id="t", call_id="c", speaker="caller", channel="x")
        self.leg = Leg(
            tap,
            Loaded("zh", recogniser),
            self._outbox,
            chunk_seconds=0.2,
            backlog_seconds=3,
            gate=gate,
            ready=lambda _: None,
        )

    def hear(self, pcm: bytes) -> list[Utterance]:
        """The utterances that are told of it."""
        for piece in pieces(pcm):
            self.leg.hear(piece)
            while self.leg.waits_since is not None:
                work = self.leg.take()
                self.leg.worked(work, self.leg.work(work))
        told = [event for event in self._outbox._waiting if isinstance(event, Utterance)]
        self._outbox._waiting.clear()
        self._outbox._interim.clear()
        return told


def grown(ear: Ear, sound: bytes, minutes: float) -> tuple[list[Utterance], float]:
    """What is told of `sound` over and over, and by how many MB the process has grown after the first quarter."""
    process, told, resident = psutil.Process(), [], [0.0]
    times = int(minutes * MINUTE / seconds(sound))
    for turn in range(times):
        told += ear.hear(sound)
        if turn == times // 4:
            gc.collect()
            resident = [process.memory_info().rss / 1e6]
    gc.collect()
    return told, process.memory_info().rss / 1e6 - resident[0]


def fax() -> bytes:
    """The caller's tone, the answer's, and data that is keyed in phase."""
    chance = random.Random(1)
    calling = (tone((1100, 1100), 0.5) + silence(3)) * 3
    phase = 0.0
    data = []
    for number in range(RATE * 5):
        if number % 4 == 0:
            phase = chance.randrange(4) * math.pi / 2
        data.append(int(4000 * math.sin(2 * math.pi * 1750 * number / RATE + phase)))
    return calling + tone((2100, 2100), 3.0) + b"".join(sample.to_bytes(2, "little", signed=True) for sample in data)


def dial_tone() -> bytes:
    return tone((450, 450), 10)


def busy() -> bytes:
    return (tone((450, 450), 0.35) + silence(0.35)) * 20


def no_such_number() -> bytes:
    return (tone((950, 950), 0.33) + tone((1400, 1400), 0.33) + tone((1800, 1800), 0.33) + silence(1)) * 4


@pytest.fixture
def ear(demo: Recogniser, tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(demo, tmp_path)
    yield ear
    ear.leg.end()


@pytest.mark.parametrize("sound", [fax, dial_tone, busy, no_such_number])
def test_signals_of_the_network_give_no_utterance(sound: object, ear: Ear) -> None:
    assert ear.hear(sound() + silence(2)) == []  # type: ignore[operator]


def test_keys_and_steady_noise_give_no_utterance(ear: Ear) -> None:
    assert ear.hear(digits("1590#" * 5) + silence(2)) == []
    assert ear.hear(noise(15, 3000) + silence(2)) == []


def test_music_gives_no_word_of_more_than_one_syllable(ear: Ear, tmp_path: Path) -> None:
    """A note is a syllable to a model now and then; a place, a name or a matter is made of more."""
    write_melody(tmp_path / "music.wav")
    with wave.open(str(tmp_path / "music.wav")) as file:
        told = ear.hear(file.readframes(25 * RATE) + silence(2))
    assert [
        word.text for utterance in told for word in utterance.words if len(word.text) > 1 and word.text != "[unk]"
    ] == []


def test_an_hour_of_silence(ear: Ear) -> None:
    told, growth = grown(ear, silence(10), 60)
    assert told == []
    assert growth < 3
    (utterance,) = ear.hear(say(WATER) + silence(1))
    assert (utterance.text, utterance.start) == (WATER, pytest.approx(3600, abs=0.3))


def test_speech_without_a_pause(demo: Recogniser, tmp_path: Path) -> None:
    """Three minutes, 800 characters in one breath: it is told in parts, and nothing grows."""
    ear = Ear(demo, tmp_path)
    told, growth = grown(ear, say(LAMPS + WATER)[: SECOND * 10], 3)
    assert growth < 6
    assert max(utterance.end - utterance.start for utterance in told) < 30
    assert all(len(utterance.text) < 300 for utterance in told)
    starts = [word.start for utterance in told for word in utterance.words]
    assert starts == sorted(starts)
    assert sum(len(utterance.text) for utterance in told) > 500
    assert told[-1].end == pytest.approx(3 * MINUTE, abs=25)


def test_noise_so_loud_that_it_passes_for_voice(demo: Recogniser, tmp_path: Path) -> None:
    ear = Ear(demo, tmp_path, gate=0)
    told, growth = grown(ear, noise(5, 8000), 0.5)
    assert [
        word.text for utterance in told for word in utterance.words if len(word.text) > 1 and word.text != "[unk]"
    ] == []
    assert growth < 6


def test_words_outside_the_vocabulary_are_gaps(ear: Ear) -> None:
    """What is no word of the model's is a gap, or at worst a word that it knows: never letters or digits."""
    told = ear.hear(say("饕餮魑魅魍魉") + silence(1) + say(WATER) + silence(1))
    assert told[-1].text == WATER
    assert not any(character.isdecimal() for utterance in told for character in utterance.text)
