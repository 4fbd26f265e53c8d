"""AudioSocket: the audio of one leg as frames on a TCP stream, both ways.

A frame is its kind (u8), the length of its payload (u16, big-endian) and the payload; see Asterisk's
res/res_audiosocket.c. The first frame names the tap (a UUID of 16 bytes). Audio is signed 16-bit little-endian mono,
at the rate that the kind says. Asterisk may close the stream without a HANGUP frame.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from ivr.wire.errors import LocalProtocolError, RemoteProtocolError


class Kind(IntEnum):
    """The first byte of a frame (enum ast_audiosocket_msg_kind)."""

    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    SLIN = 0x10
    SLIN12 = 0x11
    SLIN16 = 0x12
    SLIN24 = 0x13
    SLIN32 = 0x14
    SLIN44 = 0x15
    SLIN48 = 0x16
    SLIN96 = 0x17
    SLIN192 = 0x18
    ERROR = 0xFF


RATES: dict[int, int] = {
    Kind.SLIN: 8000,
    Kind.SLIN12: 12000,
    Kind.SLIN16: 16000,
    Kind.SLIN24: 24000,
    Kind.SLIN32: 32000,
    Kind.SLIN44: 44100,
    Kind.SLIN48: 48000,
    Kind.SLIN96: 96000,
    Kind.SLIN192: 192000,
}
"""Samples per second of each kind of audio frame."""

MAX_AUDIO = 65534
"""Bytes of audio that fit into one frame: the length is 16 bits, and a sample is two bytes."""

_KIND_OF_RATE = {rate: kind for kind, rate in RATES.items()}
_HEADER = 3


@dataclass(frozen=True, slots=True)
class Uuid:
    """The first frame: which tap this stream carries."""

    value: uuid.UUID


@dataclass(frozen=True, slots=True)
class Audio:
    """One frame of audio: signed 16-bit little-endian mono, `rate` samples per second."""

    rate: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A digit was pressed: one of 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The other end ends the stream. What follows it is not read."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The other end reports an error; `code` is its number (1 hang-up, 2 frame forwarding, 4 memory), 0 if unsaid."""

    code: int


class _State(Enum):
    UUID = auto()
    STREAM = auto()
    ENDED = auto()
    FAILED = auto()


# UUID -- UUID frame --> STREAM -- audio, DTMF, error --> STREAM -- HANGUP --> ENDED; what is refused --> FAILED.


class AudioReader:
    """Bytes of one AudioSocket stream in, frames out. `max_payload` is the longest payload accepted, in bytes."""

    def __init__(self, *, max_payload: int = 65535) -> None:
        self._max_payload = max_payload
        self._state = _State.UUID
        self._failure = ""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Uuid | Audio | Dtmf | HangUp | Failed]:
        """What `data`, the next bytes of the stream, completes; an empty list when more is needed.

        Raises RemoteProtocolError when the first frame is not a UUID, a frame is of an unknown kind, or its length is
        wrong for its kind; frames that the same bytes completed before the mistake are lost with the connection. From
        then on every call raises the same.
        """
        if self._state is _State.FAILED:
            raise RemoteProtocolError(self._failure)
        frames: list[Uuid | Audio | Dtmf | HangUp | Failed] = []
        if self._state is _State.ENDED:
            return frames
        buffer = self._buffer
        buffer += data
        size = len(buffer)
        start = 0
        while size - start >= _HEADER:
            kind = buffer[start]
            length = buffer[start + 1] << 8 | buffer[start + 2]
            self._check(kind, length)
            end = start + _HEADER + length
            if end > size:
                break
            frame = self._frame(kind, bytes(buffer[start + _HEADER : end]))
            frames.append(frame)
            start = end
            if isinstance(frame, HangUp):
                start = size
        del buffer[:start]
        return frames

    def _check(self, kind: int, length: int) -> None:
        # Judged by the header, before the payload is waited for: a stream that is not AudioSocket is left at once.
        if self._state is _State.UUID and kind != Kind.UUID:
            raise self._fail(f"the first frame must be the UUID (kind 0x01), not kind 0x{kind:02x}")
        if length > self._max_payload:
            raise self._fail(f"a frame has {length} bytes of payload, more than {self._max_payload}")
        if kind in RATES:
            if length % 2:
                raise self._fail(f"an audio frame has {length} bytes; samples are of two bytes")
        elif kind == Kind.UUID:
            if self._state is not _State.UUID:
                raise self._fail("a second UUID frame in one stream")
            if length != 16:
                raise self._fail(f"a UUID frame has {length} bytes; a UUID has 16")
        elif kind == Kind.DTMF:
            if length != 1:
                raise self._fail(f"a DTMF frame has {length} bytes; it holds one digit")
        elif kind == Kind.ERROR:
            if length > 1:
                raise self._fail(f"an error frame has {length} bytes; its code is one byte")
        elif kind != Kind.HANGUP:
            raise self._fail(f"a frame is of an unknown kind, 0x{kind:02x}")

    def _frame(self, kind: int, payload: bytes) -> Uuid | Audio | Dtmf | HangUp | Failed:
        rate = RATES.get(kind)
        if rate is not None:
            return Audio(rate, payload)
        if kind == Kind.UUID:
            self._state = _State.STREAM
            return Uuid(uuid.UUID(bytes=payload))
        if kind == Kind.DTMF:
            digit = payload.decode("latin-1").upper()
            if digit not in "0123456789*#ABCD":
                raise self._fail(f"a DTMF frame holds {payload!r}, which is not a digit of a telephone")
            return Dtmf(digit)
        if kind == Kind.ERROR:
            return Failed(payload[0] if payload else 0)
        self._state = _State.ENDED
        return HangUp()

    def _fail(self, problem: str) -> RemoteProtocolError:
        self._state = _State.FAILED
        self._failure = f"AudioSocket: {problem}"
        self._buffer = bytearray()
        return RemoteProtocolError(self._failure)


def audio(data: bytes, rate: int = 8000) -> bytes:
    """One frame of audio: `data` is signed 16-bit little-endian mono at `rate` samples per second.

    Raises LocalProtocolError when there is no kind for `rate`, or `data` is of odd length or over 65534 bytes.
    """
    kind = _KIND_OF_RATE.get(rate)
    if kind is None:
        known = ", ".join(map(str, _KIND_OF_RATE))
        raise LocalProtocolError(f"AudioSocket: no frame carries {rate} samples per second; there are {known}")
    if len(data) % 2:
        raise LocalProtocolError(f"AudioSocket: {len(data)} bytes of audio; samples are of two bytes")
    if len(data) > MAX_AUDIO:
        raise LocalProtocolError(f"AudioSocket: {len(data)} bytes of audio; a frame holds {MAX_AUDIO}")
    return bytes((kind, len(data) >> 8, len(data) & 0xFF)) + data


def hangup() -> bytes:
    """The frame that ends the stream, and with it the AudioSocket application in Asterisk."""
    return bytes((Kind.HANGUP, 0, 0))
