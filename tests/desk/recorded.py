"""A recording whose sound says which second it is: each second has a level of its own, the first one 100."""

from __future__ import annotations

import os
import struct
import wave
from array import array
from datetime import datetime
from pathlib import Path

RATE = 8000


def recorded(folder: Path, call_id: str, begins: datetime, seconds: int, *, open_still: bool = False) -> Path:
    """The file as Asterisk writes it; `open_still`: the call lasts, and the head does not know the length yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{call_id}.wav"
    pcm = array("h", [100 * (at // RATE + 1) for at in range(seconds * RATE)]).tobytes()
    length = 0 if open_still else len(pcm)
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + length) + b"WAVEfmt " + struct.pack("<I", 16) + form
    path.write_bytes(head + b"data" + struct.pack("<I", length) + pcm)
    ends = begins.timestamp() + seconds
    os.utime(path, (ends, ends))
    return path


def seconds_in(wav: bytes, folder: Path) -> list[int]:
    """Which seconds of the recording are in a clip, in order, the first one 0."""
    path = folder / "clip.wav"
    path.write_bytes(wav)
    with wave.open(str(path)) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getsampwidth()) == (RATE, 1, 2)
        levels = array("h", clip.readframes(clip.getnframes()))
    return list(dict.fromkeys(level // 100 - 1 for level in levels))
