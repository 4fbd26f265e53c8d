"""Music on hold of our own: soft plucked notes on a pentatonic scale, computed, so that no licence is needed.

64 seconds. The end rings on into the beginning, so that the loop has no seam; low, so that a caller who talks while
waiting is still understood.
"""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

RATE = 8000
_STEP = 0.5
"""Seconds between two notes."""

# Two bars a line, eight steps a bar. The scale is C D E G A; capitals are the octave of middle C, small letters the one
# above, ' one higher still, - a rest. The lower row sounds under the upper, once a bar.
_TUNE = (
    "E-G-a-g- e-d-e---",
    "c-d-e-g- a-g-e---",
    "d-e-g-e- d-c-A---",
    "G-A-c-d- e-d-c---",
    "e-g-a-c' a-g-e---",
    "d-e-d-c- A-c-d---",
    "g-e-d-c- A-G-A---",
    "c-d-e-d- c-A-c---",
)
_BASS = ("CG", "AE", "DA", "GC", "CA", "DG", "AE", "GC")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "G": 7, "A": 9}
_LOUDEST = 0.11
"""Of full scale, about -19 dB."""


def write_melody(target: Path) -> None:
    """Write the loop as a WAV file, 8 kHz mono. The target appears whole or not at all."""
    notes = list(_notes())
    length = int(len(_TUNE) * 16 * _STEP * RATE)
    loop = [0.0] * length
    sounds: dict[tuple[float, float], list[float]] = {}
    for start, frequency, seconds in notes:
        if (frequency, seconds) not in sounds:
            sounds[frequency, seconds] = _pluck(frequency, seconds)
        first = int(start * RATE)
        for offset, value in enumerate(sounds[frequency, seconds]):
            loop[(first + offset) % length] += value
    scale = _LOUDEST * 32767 / max(abs(value) for value in loop)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", (round(value * scale) for value in loop)).tobytes())
    part.replace(target)


def _notes() -> list[tuple[float, float, float]]:
    """(start in seconds, frequency in Hz, length in seconds) of each note."""
    found: list[tuple[float, float, float]] = []
    for line, (tune, bass) in enumerate(zip(_TUNE, _BASS, strict=True)):
        begin = line * 16 * _STEP
        step = -1
        for mark in tune.replace(" ", ""):
            if mark == "'":
                # the note before it, an octave higher
                start, frequency, seconds = found.pop()
                found.append((start, frequency * 2, seconds))
                continue
            step += 1
            if mark != "-":
                octave = 1 if mark.islower() else 0
                found.append((begin + step * _STEP, _frequency(mark.upper(), octave), 2.5))
        for bar, mark in enumerate(bass):
            found.append((begin + bar * 8 * _STEP, _frequency(mark, 0), 4.0))
    return found


def _frequency(name: str, octave: int) -> float:
    return 261.63 * 2 ** (_SEMITONES[name] / 12 + octave)


def _pluck(frequency: float, seconds: float) -> list[float]:
    """One note: three partials that die away, the higher the sooner; soft at both ends."""
    count = int(seconds * RATE)
    attack, release = int(0.015 * RATE), int(0.1 * RATE)
    sound = [0.0] * count
    for partial, share in ((1, 1.0), (2, 0.3), (3, 0.12)):
        turn = 2 * math.pi * frequency * partial / RATE
        decay = math.exp(-(1.2 + 0.8 * partial) / RATE)
        level = share
        for index in range(count):
            sound[index] += level * math.sin(turn * index)
            level *= decay
    for index in range(attack):
        sound[index] *= index / attack
    for index in range(release):
        sound[count - 1 - index] *= index / release
    return sound
