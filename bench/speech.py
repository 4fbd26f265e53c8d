"""How many calls one core can listen to, and how soon what is said is text.

A leg of a conversation is heard: sentences (synthetic Mandarin) with pauses, 40 % of it speech. The plain way is that
of Vosk's own examples: 20 ms at a time, a partial result after each, no gate.

Streams per core are a second of audio over the processor time that it takes, the same audio in all ways, in turns, so
that whatever else the machine does falls on all of them. The delays are measured with a real clock: so many legs of the
listening service's own kind, one decoding thread, each leg 20 ms every 20 ms. Calls come one after the other for some
seconds, then the clock runs. The load is a share of the streams that a core carries when it also runs the event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import vosk

from asr_models import vosk_recogniser
from asr_models.catalogue import DEMO_FOLDER, InstalledModel
from asr_models.gate import GatedStream
from asr_models.recogniser import RATE, Recogniser
from bench.wide_model import WIDTH, widen
from ivr import voice
from ivr.events import Tap, Utterance, UtteranceInterim
from ivr.listening.leg import Leg
from ivr.listening.models import Loaded
from ivr.listening.pool import Pool
from routing.drafts import read
from routing.jurisdiction import load as load_jurisdiction
from routing.reading.spoken import Heard
from settings import ROOT

_SENTENCES = (
    "你好我想反映一下保港的路灯坏了很久了晚上很危险",
    "水南村停水两天了什么时候恢复",
    "城东村工地夜间施工噪音扰民影响孩子睡觉",
)
_SPEECH_SHARE = 0.4
_CHUNK = RATE // 10 * 2
_FRAME = RATE // 50 * 2
_GATE = 2
_STREAMS = 12
_ARRIVING = 6.0
"""Seconds over which the calls of a load come."""
_SHARES = (0.01, 0.1, 0.5, 0.9)
_UTTERANCES = 200


async def main(folder: Path, *, seconds: float = 20.0, rounds: int = 3) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md. `seconds`: how long each load lasts."""
    leg = conversation(folder)
    widen(DEMO_FOLDER, folder / "wide")
    models = {
        "demo": InstalledModel("demo", "zh", DEMO_FOLDER),
        f"{WIDTH} units wide": InstalledModel("wide", "zh", folder / "wide"),
    }
    counted, delays = [], []
    for name, model in models.items():
        recogniser = vosk_recogniser.load(model)
        costs = _costs(recogniser, vosk.Model(str(model.folder)), leg, rounds)
        counted += [_row(name, way, cost, costs["plain"]) for way, cost in costs.items()]
        loop = (await _listen(recogniser, leg, _STREAMS, seconds / 2)).loop
        for share in _SHARES:
            streams = max(1, int(share / (costs["gate"] + loop)))
            measured = await _listen(recogniser, leg, streams, seconds)
            delays.append(f"| {name} | {share:.0%} | {streams} | {measured.row()} |")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"Load of the machine while it was measured (1, 5, 15 min): {load}.\n\n"
        "| model | way | processor time per second | streams per core | times as many |\n|---|---|---|---|---|\n"
        + "\n".join(counted)
        + "\n\n| model | load | streams | interim p50 | p95 | final p50 | p95 | oldest piece, first and last third "
        "| MB a stream |\n|---|---|---|---|---|---|---|---|---|\n" + "\n".join(delays) + f"\n\n{_extraction()}"
    )


def conversation(folder: Path, *, seconds: float = 120.0) -> bytes:
    """One leg of a call: 8 kHz, 16 bit; 40 % of it speech in sentences, a faint hiss between them."""
    drawn = random.Random(1)
    hiss = b"".join(int(drawn.gauss(0, 20)).to_bytes(2, "little", signed=True) for _ in range(RATE * 5))
    said = b""
    for sentence in itertools.cycle(_spoken(folder)):
        said += sentence
        pause = len(sentence) * (1 / _SPEECH_SHARE - 1)
        said += (hiss * 20)[: int(pause * drawn.uniform(0.6, 1.4)) // 2 * 2]
        if len(said) >= seconds * RATE * 2:
            return said[: int(seconds) * RATE * 2]
    raise AssertionError("unreachable")


def _spoken(folder: Path) -> list[bytes]:
    found = []
    for number, sentence in enumerate(_SENTENCES):
        wide, narrow = folder / f"{number}.wav", folder / f"{number}.raw"
        voice.speak(sentence, wide)
        voice.convert(
            wide,
            narrow,
            output=("-r", str(RATE), "-c", "1", "-e", "signed", "-b", "16", "-L"),
            effects=("gain", "-3"),
        )
        found.append(narrow.read_bytes())
    return found


# Processor time


def _costs(recogniser: Recogniser, model: Any, leg: bytes, rounds: int) -> dict[str, float]:
    """Processor seconds for a second of audio: the least of `rounds`, in which the ways take turns.

    Several streams in turns, as a thread of the pool hears them: what the processor keeps of one is gone by the next.
    """
    ways: dict[str, tuple[int, Callable[[], Callable[[bytes], object]]]] = {
        "plain": (_FRAME, lambda: _plain(model)),
        "no gate": (_CHUNK, lambda: recogniser.start().feed),
        "gate": (_CHUNK, lambda: GatedStream(recogniser.start(), _GATE).feed),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (size, start) in ways.items():
            found[way].append(_cost([start() for _ in range(_STREAMS)], leg, size))
    return {way: min(times) for way, times in found.items()}


def _cost(feeds: list[Callable[[bytes], object]], leg: bytes, size: int) -> float:
    for feed in feeds:
        feed(bytes(size))
    twice, apart = leg * 2, len(leg) // len(feeds) // size * size
    began = time.process_time()
    for at in range(0, apart, size):
        # Each hears its own part, so that together they hear all of the leg.
        for number, feed in enumerate(feeds):
            start = number * apart + at
            feed(twice[start : start + size])
    return (time.process_time() - began) / (apart * len(feeds) / RATE / 2)


def _plain(model: Any) -> Callable[[bytes], object]:
    engine = vosk.KaldiRecognizer(model, RATE)
    engine.SetWords(True)
    return lambda pcm: engine.Result() if engine.AcceptWaveform(pcm) else engine.PartialResult()


def _row(name: str, way: str, cost: float, plain: float) -> str:
    words = {
        "plain": "plain: 20 ms, a partial result after each",
        "no gate": "ours: 100 ms, no gate",
        "gate": "ours: 100 ms, gate",
    }
    return f"| {name} | {words[way]} | {cost * 1000:.1f} ms | {1 / cost:.0f} | {plain / cost:.1f} |"


# Delays


@dataclass
class _Told:
    """An Outbox that keeps what is told with the time at which it was."""

    interims: dict[str, list[tuple[float, int, str]]] = field(default_factory=dict)
    finals: dict[str, list[tuple[float, Utterance]]] = field(default_factory=dict)

    def publish(self, event: Any) -> None:
        if isinstance(event, Utterance):
            self.finals.setdefault(event.tap_id, []).append((time.monotonic(), event))

    def publish_interim(self, interim: UtteranceInterim) -> None:
        self.interims.setdefault(interim.tap_id, []).append((time.monotonic(), interim.number, interim.text))


@dataclass
class _Delays:
    interim: list[float]
    final: list[float]
    waits: list[float]
    megabytes: float
    loop: float
    """Processor seconds of the event loop for a second of one stream, the bench's own part of it included."""

    def row(self) -> str:
        third = max(1, len(self.waits) // 3)
        first, last = statistics.mean(self.waits[:third]), statistics.mean(self.waits[-third:])
        return (
            f"{_two(self.interim)} | {_two(self.final)} | {first * 1000:.0f} ms, {last * 1000:.0f} ms | "
            f"{self.megabytes:.2f}"
        )


def _two(delays: list[float]) -> str:
    if len(delays) < 2:
        return "- | -"
    return f"{statistics.median(delays) * 1000:.0f} ms | {statistics.quantiles(delays, n=20)[-1] * 1000:.0f} ms"


async def _listen(recogniser: Recogniser, audio: bytes, streams: int, seconds: float) -> _Delays:
    told = _Told()
    resident = psutil.Process().memory_info().rss
    pool = Pool(1, 60.0, lambda leg: None)
    legs = [_leg(str(number), recogniser, told, pool) for number in range(streams)]
    offsets = [number * len(audio) // streams // _FRAME * _FRAME for number in range(streams)]
    phases = [number * 0.02 / streams for number in range(streams)]
    firsts = [int(number * _ARRIVING * 50) // streams for number in range(streams)]
    waits: list[float] = []
    began, loop = time.monotonic(), time.thread_time()
    for frame in range(int((_ARRIVING + seconds) * 50)):
        for leg, offset, phase, first in zip(legs, offsets, phases, firsts, strict=True):
            if frame < first:
                continue
            wait = began + frame * 0.02 + phase - time.monotonic()
            if wait > 0.001:
                await asyncio.sleep(wait)
            at = (offset + frame * _FRAME) % len(audio)
            leg.hear(audio[at : at + _FRAME])
        if frame >= _ARRIVING * 50:
            waits.append(pool.lag(time.monotonic()))
        await asyncio.sleep(0)
    loop = (time.thread_time() - loop) / streams / (_ARRIVING / 2 + seconds)
    megabytes = (psutil.Process().memory_info().rss - resident) / 1e6 / streams
    for leg in legs:
        leg.end()
    while not all(leg.gone for leg in legs):
        await asyncio.sleep(0.05)
    pool.close()
    zeros = [began + first * 0.02 + phase for first, phase in zip(firsts, phases, strict=True)]
    interims, finals = _delays(told, zeros, began + _ARRIVING, began + _ARRIVING + seconds)
    return _Delays(interims, finals, waits, megabytes, loop)


def _leg(name: str, recogniser: Recogniser, told: _Told, pool: Pool) -> Leg:
    tap = Tap(tap_id=name, call_id=name, speaker="caller", channel="bench")
    outbox: Any = told
    return Leg(
        tap,
        Loaded("zh", recogniser),
        outbox,
        chunk_seconds=_CHUNK / RATE / 2,
        backlog_seconds=60,
        gate=_GATE,
        ready=pool.ready,
    )


def _delays(told: _Told, zeros: list[float], begin: float, end: float) -> tuple[list[float], list[float]]:
    interims: list[float] = []
    finals: list[float] = []
    for name, utterances in told.finals.items():
        zero = zeros[int(name)]
        for at, utterance in utterances:
            if not begin < zero + utterance.end < end - 1:
                continue  # said while calls still came, or cut off by the end of the measurement
            finals.append(at - (zero + utterance.end))
            shown = [(t, text) for t, number, text in told.interims.get(name, ()) if number == utterance.number]
            interims += [first - (zero + ended) for ended, first in _first_shown(utterance, shown, at)]
    return interims, finals


def _first_shown(utterance: Utterance, shown: list[tuple[float, str]], at: float) -> Iterator[tuple[float, float]]:
    """When each word ended, and when it was first on the screen: in an interim text, or only in the final one."""
    text = ""
    for word in utterance.words:
        text += word.text
        yield word.end, next((moment for moment, interim in shown if interim.startswith(text)), at)


# The five elements


def _extraction() -> str:
    """How long the whole transcript takes to be read again after each utterance."""
    jurisdiction = load_jurisdiction(ROOT / "config" / "jurisdictions" / "yazhou.yaml")
    at = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    said = (
        "你好我姓王我想反映一下保港的路灯坏了很久了",
        "请问具体在什么位置",
        "就在保港社区市场门口昨天晚上我老婆在那里摔了一跤",
        "不是水南是海棠村那边我的电话是幺三八零零幺三八零零零",
        "希望你们尽快派人来修一下",
    )
    heard: list[Heard] = []
    times = []
    for number in range(_UTTERANCES):
        speaker = "agent" if number % 5 == 1 else "caller"
        heard.append(Heard(number + 1, speaker, said[number % 5], at))
        began = time.process_time()
        read(heard, jurisdiction, at)
        times.append((time.process_time() - began) * 1000)
    return "| utterances in the transcript | all elements read again, p50 | longest |\n|---|---|---|\n" + "\n".join(
        f"| {until - 19}-{until} | {statistics.median(times[until - 20 : until]):.1f} ms | "
        f"{max(times[until - 20 : until]):.1f} ms |"
        for until in (20, 100, _UTTERANCES)
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(asyncio.run(main(Path(scratch))))
