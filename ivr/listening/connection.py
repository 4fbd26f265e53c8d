"""One AudioSocket connection, from the first byte of a stranger to the last of a tap.

Nothing is believed before the first frame names a tap that the bridge has announced; until then a connection costs
a few hundred bytes and three seconds. From then on it is always read, whether somebody listens or not, and gets a
frame of silence now and then, because Asterisk ends an AudioSocket application that hears nothing for 2 s.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Protocol, cast

import structlog

from asr_models.recogniser import RATE
from ivr.events import Tap
from ivr.listening.leg import Leg
from ivr.listening.refusals import Refusals
from ivr.wire.audiosocket import Audio, AudioReader, Dtmf, Failed, HangUp, Uuid, audio, hangup
from ivr.wire.errors import RemoteProtocolError

log = structlog.get_logger(__name__)

_FIRST_FRAME_SECONDS = 3.0
_SILENCE = audio(bytes(RATE // 50 * 2))
_UNREAD = 1 << 14
"""Bytes of silence that the other end may leave unread before it gets no more."""


Frame = Uuid | Audio | Dtmf | HangUp | Failed


class Refused(Exception):
    """Why a tap is not taken: `reason` is one word, the message says more."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


class House(Protocol):
    """What a connection needs of the service."""

    refusals: Refusals

    def admits(self, connection: Connection) -> bool:
        """Whether there is room for one more connection."""

    async def claim(self, tap_id: str) -> Tap:
        """The tap of that id, good for one connection. Raises Refused."""

    def begin(self, connection: Connection, tap: Tap) -> Leg | None:
        """A leg for the tap; None when nobody will ever listen to it, which has then been told."""

    def left(self, connection: Connection) -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """The loop's side of one connection."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._reader = AudioReader()
        self._transport: asyncio.Transport
        self._peer = "?"
        self._deadline: asyncio.TimerHandle | None = None
        self._claiming: asyncio.Task[None] | None = None
        self._early: list[Frame] = []
        self._over = False
        self._unheard = False
        self.leg: Leg | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str(transport.get_extra_info("peername"))
        if not self._house.admits(self):
            self._refuse("too_many", "there are as many connections as listening.max_streams allows")
            return
        self._deadline = asyncio.get_running_loop().call_later(_FIRST_FRAME_SECONDS, self._too_late)

    def data_received(self, data: bytes) -> None:
        if self._over or self._unheard:
            return
        try:
            frames = self._reader.feed(data)
        except RemoteProtocolError as problem:
            self._broken(str(problem))
            return
        self._take(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.leg is None and not self._over and not self._unheard:
            self._house.refusals.note("unnamed", self._peer, "it went before it named its tap")
        self._over = True
        if self._deadline:
            self._deadline.cancel()
        if self._claiming:
            self._claiming.cancel()
        if self.leg:
            self.leg.end()
        self._house.left(self)

    def keep_alive(self) -> None:
        """Send a frame of silence."""
        named = self.leg is not None or self._unheard
        if named and not self._over and self._transport.get_write_buffer_size() < _UNREAD:
            self._transport.write(_SILENCE)

    def leave(self) -> None:
        """End the stream in order: say so, and close."""
        if self._over:
            return
        if self._transport.get_write_buffer_size():
            # The other end does not read; an orderly close would wait for it for ever.
            self.abort()
            return
        self._over = True
        self._transport.write(hangup())
        self._transport.close()

    def abort(self) -> None:
        """End the stream at once."""
        self._over = True
        self._transport.abort()

    def _take(self, frames: list[Frame]) -> None:
        for number, frame in enumerate(frames):
            if self._over:
                return
            if isinstance(frame, Uuid):
                # Came in one packet with the name; nothing more is read until it is known whose it is.
                self._early = frames[number + 1 :]
                self._named(frame.value)
                return
            if self.leg:
                self._one(self.leg, frame)

    def _one(self, leg: Leg, frame: Frame) -> None:
        match frame:
            case Audio(rate, pcm) if rate == RATE:
                leg.hear(pcm)
            case Audio(rate, _):
                self._broken(f"audio at {rate} samples per second; the tap must be slin at {RATE}")
            case Failed(code):
                self._broken(f"Asterisk reports AudioSocket error {code}")
            case HangUp():
                self.leave()
            case _:
                pass  # digits are the dialplan's affair

    def _named(self, value: uuid.UUID) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._transport.pause_reading()
        self._claiming = asyncio.get_running_loop().create_task(self._claim(str(value)))

    async def _claim(self, tap_id: str) -> None:
        try:
            tap = await self._house.claim(tap_id)
        except Refused as problem:
            self._refuse(problem.reason, str(problem))
            return
        self.leg = self._house.begin(self, tap)
        # Without a leg its audio is thrown away: were it closed, the bridge would ask for it again and again.
        self._unheard = self.leg is None
        self._take(self._early)
        self._early = []
        if not self._over:
            self.keep_alive()
            self._transport.resume_reading()

    def _too_late(self) -> None:
        self._refuse("silent", f"it did not name its tap within {_FIRST_FRAME_SECONDS:.0f} s")

    def _broken(self, problem: str) -> None:
        if self.leg is None:
            self._refuse("garbage", problem)
            return
        self.leg.unavailable("tap_failed", problem)
        self.leave()

    def _refuse(self, reason: str, problem: str) -> None:
        self._house.refusals.note(reason, self._peer, problem)
        self.abort()
