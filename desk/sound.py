"""The recording of a call as a file: when it began, and a stretch of it by the clock, as a WAV of its own.

While the call lasts, Asterisk goes on writing the file, about two seconds at a time, and puts the length into its
head only at the end; so the length is that of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routing.storage import Call

_SAMPLE_BYTES = 2
_PCM = 1
_LONGEST_HEAD = 4096
_SLACK = timedelta(seconds=2)
"""How far the clocks of the file system, the telephone side and this process may be apart."""


class NoSound(Exception):
    """Why there is nothing to be heard, for people. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Recording:
    """A recording of 16-bit samples, one channel. `first_byte`: where they begin in the file."""

    path: Path
    rate: int
    first_byte: int
    samples: int
    begins: datetime

    @property
    def ends(self) -> datetime:
        """Until when there is sound by now."""
        return self.begins + timedelta(seconds=self.samples / self.rate)

    def stretch(self, since: datetime, until: datetime) -> bytes:
        """The samples between two moments, as far as there are any."""
        first, last = (self._sample_at(moment) for moment in (since, until))
        with self.path.open("rb") as file:
            file.seek(self.first_byte + first * _SAMPLE_BYTES)
            return file.read((last - first) * _SAMPLE_BYTES)

    def wav(self, stretches: Iterable[tuple[datetime, datetime]]) -> bytes:
        """A WAV file of these stretches, one after the other. Raises NoSound when there is no sound in any."""
        pcm = b"".join(self.stretch(since, until) for since, until in stretches)
        if not pcm:
            raise NoSound("not_recorded_yet", "录音还没有写到这里，请过两秒再试")
        form = struct.pack("<HHIIHH", _PCM, 1, self.rate, self.rate * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES)
        head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(pcm))
        return b"RIFF" + struct.pack("<I", len(head) + len(pcm)) + head + pcm

    def _sample_at(self, moment: datetime) -> int:
        return min(max(0, round((moment - self.begins).total_seconds() * self.rate)), self.samples)


def recording_of(call: Call, folder: Path, now: datetime) -> Recording:
    """The recording of a call below `folder`, as much of it as there is. Raises NoSound.

    It ends when it was written last and so began its length before that. A file whose time is not its own (it was
    copied, or put back from a backup) is taken to begin where calls are recorded from, as the caller is queued.
    """
    path = folder / f"{call.call_id}.wav"
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        rate, first_byte, samples = _measured(path)
    except FileNotFoundError:
        raise NoSound("no_recording", "这通电话没有录音：没有开启录音，或录音在另一台机器上") from None
    begins = written - timedelta(seconds=samples / rate)
    if not call.arrived_at - _SLACK <= begins <= (call.ended_at or now) + _SLACK:
        if call.queued_at is None:
            raise NoSound("recording_unplaced", "这通电话的录音文件时间不对，找不到这句话在哪里")
        begins = call.queued_at
    return Recording(path, rate, first_byte, samples, begins)


def _measured(path: Path) -> tuple[int, int, int]:
    """Rate, where the samples begin, and how many there are. Raises NoSound for what is no such file."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEAD)
        size = file.seek(0, 2)
    at, rate = 12, 0
    while head[:4] == b"RIFF" and head[8:12] == b"WAVE" and at + 8 <= len(head):
        kind, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if kind == b"data" and rate:
            return rate, at + 8, (size - at - 8) // _SAMPLE_BYTES
        if kind == b"fmt " and at + 24 <= len(head):
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at + 8)
            if (form, channels, bits) != (_PCM, 1, 8 * _SAMPLE_BYTES):
                break
        at += 8 + length + length % 2
    raise NoSound("recording_unreadable", "这通电话的录音文件不是能播放的格式")
