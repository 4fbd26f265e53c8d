"""What a telephone line does to speech, and what is heard on it that is no speech. Samples at 8 kHz, 16-bit scale."""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt

RATE = 8000

Samples = npt.NDArray[np.float64]

SOUNDS = ("white", "pink", "hum", "keys", "tone", "tone", "tone", "click", "breath", "music", "music", "nothing")
"""What is no speech, as often as it is drawn."""
_BACKGROUNDS = ("white", "white", "pink", "pink", "hum")

_KEYS_LOW, _KEYS_HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_TONES = (425, 440, 450, 1000, 1400)


def at_8_khz(samples: Samples, rate: int) -> Samples:
    """The same sound at 8 kHz: what lies above 4 kHz is cut off in its spectrum."""
    common = math.gcd(rate, RATE)
    block = rate // common
    blocks = _smooth(math.ceil(len(samples) / block) + 1)
    spectrum = np.fft.rfft(samples, blocks * block)
    length = blocks * RATE // common
    narrow: Samples = np.fft.irfft(spectrum[: length // 2 + 1], length) * (RATE / rate)
    return narrow[: len(samples) * RATE // rate]


def mu_law(samples: Samples) -> Samples:
    """What G.711 µ-law leaves of it."""
    whole = np.clip(np.round(samples), -32635, 32635).astype(np.int32)
    level = np.abs(whole) + 132
    exponent = np.floor(np.log2(level)).astype(np.int32) - 7
    mantissa = (level >> (exponent + 3)) & 15
    kept = (((mantissa << 3) + 132) << exponent) - 132
    return np.asarray(np.where(whole < 0, -1, 1) * kept, np.float64)


def a_law(samples: Samples) -> Samples:
    """What G.711 A-law leaves of it."""
    whole = np.clip(np.round(samples), -32768, 32767).astype(np.int32)
    level = np.minimum(np.abs(whole), 32767) >> 3
    exponent = np.where(level < 32, 0, np.floor(np.log2(np.maximum(level, 1))).astype(np.int32) - 4)
    shift = np.maximum(exponent, 1)
    kept = (((level >> shift) << shift) + (1 << (shift - 1))) << 3
    return np.asarray(np.where(whole < 0, -1, 1) * kept, np.float64)


def line(samples: Samples, chance: random.Random) -> Samples:
    """Through a line as they differ: its band, its level, its background, its codec."""
    if chance.random() < 0.5:
        samples = _band(samples, low=chance.choice((80, 150, 200, 300)), high=math.inf)
    if chance.random() < 0.3:
        samples = _band(samples, low=0, high=chance.uniform(3000, 3700))
    samples = samples * 10 ** (chance.uniform(-22, 6) / 20)
    loudness = math.sqrt(float((samples**2).mean()))
    if chance.random() < 0.6:
        background = sound(chance.choice(_BACKGROUNDS), len(samples), chance)
        samples = samples + background * loudness * 10 ** (-chance.uniform(8, 40) / 20)
    if chance.random() < 0.3:
        samples = samples + _hiss(len(samples), chance) * chance.uniform(0.5, 20)
    samples = np.clip(samples, -32768, 32767)
    codec = chance.random()
    if codec < 0.6:
        return mu_law(samples)
    return a_law(samples) if codec < 0.9 else np.round(samples)


def sound(kind: str, length: int, chance: random.Random) -> Samples:
    """A sound that is no speech (one of SOUNDS), `length` samples with an effective level of 1."""
    time = np.arange(length) / RATE
    made: Samples
    if kind == "nothing":
        return np.zeros(length)
    if kind == "white":
        made = _hiss(length, chance)
    elif kind == "pink":
        spectrum = np.fft.rfft(_hiss(length, chance))
        made = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length)
    elif kind == "hum":
        phases = [chance.uniform(0, 6) for _ in range(5)]
        waves = [np.sin(2 * np.pi * 50 * (n + 1) * time + phase) / (n + 1) for n, phase in enumerate(phases)]
        made = np.sum(waves, axis=0) + 0.1 * _hiss(length, chance)
    elif kind == "keys":
        made = _keys(length, time, chance)
    elif kind == "tone":
        frequency = chance.choice((*_TONES, chance.uniform(200, 3000)))
        sounding = int(chance.uniform(0.2, 1.2) * RATE)
        cycle = sounding + int(chance.uniform(0.1, 3) * RATE)
        made = np.sin(2 * np.pi * frequency * time) * ((np.arange(length) % cycle) < sounding)
    elif kind == "click":
        made = _clicks(length, chance)
    elif kind == "breath":
        hiss = _band(_hiss(length, chance), low=chance.uniform(300, 800), high=chance.uniform(1500, 3500))
        swell = np.sin(2 * np.pi * time * chance.uniform(0.2, 1.5) + chance.uniform(0, 6))
        made = hiss * np.clip(swell, 0, None) ** 2
    elif kind == "music":
        made = _music(length, time, chance)
    else:
        raise ValueError(f"there is no sound {kind!r}; there are {', '.join(sorted(set(SOUNDS)))}")
    level = math.sqrt(float((made**2).mean()))
    return made / level if level > 0 else made


def _keys(length: int, time: Samples, chance: random.Random) -> Samples:
    made, start = np.zeros(length), 0
    while start < length:
        end = start + int(chance.uniform(0.06, 0.3) * RATE)
        low, high = chance.choice(_KEYS_LOW), chance.choice(_KEYS_HIGH)
        part = time[start:end]
        made[start:end] = np.sin(2 * np.pi * low * part) + np.sin(2 * np.pi * high * part)
        start = end + int(chance.uniform(0.05, 0.6) * RATE)
    return made


def _clicks(length: int, chance: random.Random) -> Samples:
    made = 0.01 * _hiss(length, chance)
    for _ in range(chance.randint(1, 6)):
        start, decay = chance.randrange(length), chance.randint(10, 600)
        count = min(decay, length - start)
        made[start : start + count] += _hiss(count, chance) * np.exp(-np.arange(count) / (decay / 4))
    return made


def _music(length: int, time: Samples, chance: random.Random) -> Samples:
    made, start = np.zeros(length), 0
    while start < length:
        duration = int(chance.uniform(0.1, 0.6) * RATE)
        frequency = 220 * 2 ** (chance.randint(0, 24) / 12)
        count = min(duration, length - start)
        tones = [np.sin(2 * np.pi * frequency * n * time[:count]) / n for n in range(1, 5)]
        made[start : start + count] = np.sum(tones, axis=0) * np.exp(-np.arange(count) / (duration / 2))
        start += duration
    return made


def _hiss(length: int, chance: random.Random) -> Samples:
    return np.random.default_rng(chance.getrandbits(32)).standard_normal(length)


def _band(samples: Samples, *, low: float, high: float) -> Samples:
    # Like a second-order filter, but without its delay: the labels stay where the sounds are.
    size = _smooth(len(samples))
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    gain = 1 / np.sqrt(1 + (low / np.maximum(frequency, 1)) ** 4)
    if high < math.inf:
        gain /= np.sqrt(1 + (frequency / high) ** 8)
    filtered: Samples = np.fft.irfft(np.fft.rfft(samples, size) * gain, size)
    return filtered[: len(samples)]


def _smooth(length: int) -> int:
    """The next length of which a Fourier transform is quick: 2^n, 3*2^n or 5*2^n."""
    return min(factor << max(0, (math.ceil(length / factor) - 1).bit_length()) for factor in (1, 3, 5))
