"""A recording as the recogniser wants it, 8 kHz and 16 bit, each of its channels by itself, a second at a time.

sox reads it, so any format, rate and length will do; nothing is held but what is being handed on.
"""

from __future__ import annotations

import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from asr_models.recogniser import RATE

_MOST_CHANNELS = 2
_SECONDS = 60


class AudioFileError(Exception):
    """A recording that cannot be read; the message says why, and what would be right."""


def channels(path: Path) -> int:
    """How many channels the recording has: 1, or 2 for a speaker each. Raises AudioFileError."""
    if not path.is_file():
        raise AudioFileError(f"there is no file {path}")
    done = _run(["sox", "--i", "-c", str(path)])
    count = int(done.decode())
    if count > _MOST_CHANNELS:
        raise AudioFileError(f"{path} has {count} channels; there must be one, or two with a speaker each")
    return count


def read(path: Path, count: int) -> Iterator[list[bytes]]:
    """The audio of each of its `count` channels, about a second at a time. Raises AudioFileError."""
    command = ["sox", "-V1", "-D", str(path), "-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-L", "-"]
    with tempfile.TemporaryFile() as told:
        try:
            sox = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told)
        except OSError as problem:
            raise AudioFileError(_missing(problem)) from problem
        # The pipe is closed first: whoever stops reading early must not wait for all of it.
        with sox, cast(IO[bytes], sox.stdout) as audio:
            while block := audio.read(2 * RATE * count):
                samples = array("h", block[: len(block) - len(block) % (2 * count)])
                yield [samples[channel::count].tobytes() for channel in range(count)]
        told.seek(0)
        if sox.returncode:
            raise AudioFileError(f"{path} cannot be read: {_reason(told.read(), path)}")


def _run(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except OSError as problem:
        raise AudioFileError(_missing(problem)) from problem
    if done.returncode:
        raise AudioFileError(f"{command[-1]} cannot be read: {_reason(done.stderr, Path(command[-1]))}")
    return done.stdout


def _reason(told: bytes, path: Path) -> str:
    words = told.decode(errors="replace").strip().splitlines()
    first = words[0] if words else "sox gave no reason"
    return first.replace("sox FAIL formats: ", "").replace(f" `{path}'", "")[:300]


def _missing(problem: OSError) -> str:
    return f"sox cannot be started ({problem.strerror}); 'make setup' brings it (Debian package sox)"
