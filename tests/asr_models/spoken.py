"""Sound as a telephone line carries it, for tests: real speech (espeak-ng, through A-law), silence, noise, tones.

All of it is signed 16-bit little-endian mono at 8 kHz.
"""

from __future__ import annotations

import functools
import math
import random
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ivr import voice

RATE = 8000
SECOND = 2 * RATE
"""Bytes."""

LAMPS = "你好我想反映一下保港的路灯坏了很久了晚上很危险"
WATER = "水南村停水两天了什么时候恢复"

_DTMF = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "0": (941, 1336), "#": (941, 1477)}


@functools.cache
def say(text: str) -> bytes:
    """The text, spoken."""
    with tempfile.TemporaryDirectory() as name:
        wide, narrow, plain = (Path(name) / file for file in ("wide.wav", "alaw.wav", "plain.raw"))
        voice.speak(text, wide)
        voice.convert(wide, narrow, output=("-r", "8000", "-c", "1", "-e", "a-law"), effects=("gain", "-1"))
        voice.convert(narrow, plain, output=("-e", "signed", "-b", "16", "-L"))
        return plain.read_bytes()


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def noise(seconds: float, amplitude: float) -> bytes:
    chance = random.Random(12345)
    return _packed(chance.gauss(0, amplitude) for _ in range(int(seconds * RATE)))


def digits(keys: str) -> bytes:
    """Keys pressed, 200 ms each with 200 ms between them."""
    return b"".join(tone(_DTMF[key], 0.2) + silence(0.2) for key in keys)


def ringing() -> bytes:
    """The Chinese ringing tone, 450 Hz, once."""
    return tone((450, 450), 1.0) + silence(4.0)


def seconds(pcm: bytes) -> float:
    return len(pcm) / SECOND


def pieces(pcm: bytes, size: int = 3200) -> list[bytes]:
    """Cut as it would arrive: 200 ms at a time by default."""
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def tone(frequencies: tuple[int, int], length: float) -> bytes:
    """Two tones at once (Hz), for so many seconds."""
    return _packed(
        sum(4000 * math.sin(2 * math.pi * f * n / RATE) for f in frequencies) for n in range(int(length * RATE))
    )


def _packed(samples: Iterable[float]) -> bytes:
    values = [max(-32768, min(32767, int(sample))) for sample in samples]
    return struct.pack(f"<{len(values)}h", *values)
