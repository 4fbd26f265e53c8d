"""One tapped leg: the audio that waits to be decoded, and what is told of it.

All of it runs in the event loop but `work`, which one thread at a time runs. The audio that waits is bounded; what
is lost is counted, and positions stay those of the real audio.

    HEARD -- leave_out() --> LEFT_OUT -- take_back() --> HEARD;  from both: end() or fail() --> OVER
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

import structlog

from asr_models.errors import RecognitionError
from asr_models.gate import GatedStream
from asr_models.recogniser import RATE, Final, Interim, Recogniser
from ivr.events import ListeningStarted, ListeningUnavailable, Tap, Utterance, UtteranceInterim, Word, now
from ivr.listening import metrics
from ivr.listening.models import Loaded
from ivr.outbox import Outbox

log = structlog.get_logger(__name__)

_BYTES_PER_SECOND = 2 * RATE
_IDLE_SECONDS = 1.0
"""After so long without audio (a carrier that sends none in silence) what was said is finished."""


class State(Enum):
    HEARD = auto()
    LEFT_OUT = auto()
    OVER = auto()


@dataclass(slots=True)
class Piece:
    """Something to do in one turn: decode `pcm`; then, if `lost` is not None, finish and pass over so many samples."""

    arrived: float
    pcm: bytes = b""
    lost: int | None = None
    last: bool = False


class Leg:
    """A leg whose tap is connected, from the first audio until its last utterance is told."""

    def __init__(
        self,
        tap: Tap,
        loaded: Loaded,
        outbox: Outbox,
        *,
        chunk_seconds: float,
        backlog_seconds: float,
        gate: int,
        ready: Callable[[Leg], None],
    ) -> None:
        """`loaded` has a recogniser from now on; `gate` is the gate's aggressiveness; `ready` is called whenever there
        is something to do.
        """
        self.tap = tap
        self.state = State.HEARD
        self.busy = False
        """A thread works for this leg."""
        self._loaded = loaded
        self._recogniser: Recogniser | None = None
        self._next: Recogniser | None = None
        self._model_told = ""
        self._outbox = outbox
        self._gate = gate
        self._ready = ready
        self._chunk_bytes = int(chunk_seconds * RATE) * 2
        self._most_bytes = max(int(backlog_seconds * _BYTES_PER_SECOND), self._chunk_bytes)
        self._rest = bytearray()
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._overflown = False
        self._failed = False
        self._heard_at = time.monotonic()
        self._finished = True
        self._stream: GatedStream | None = None
        self._counted = (0, 0)
        self._number = 0
        self._told = 0
        self._reason = ""
        self._log = log.bind(call_id=tap.call_id, tap_id=tap.tap_id, speaker=tap.speaker)

    # What comes from the connection

    def hear(self, pcm: bytes) -> None:
        """Take audio as it arrives; never blocks."""
        if self.state is not State.HEARD:
            self._lose(len(pcm))
            return
        self._rest += pcm
        self._heard_at = time.monotonic()
        self._finished = False
        while len(self._rest) >= self._chunk_bytes:
            self._enqueue(Piece(self._heard_at, bytes(self._rest[: self._chunk_bytes])))
            del self._rest[: self._chunk_bytes]

    def idle(self, moment: float) -> None:
        """Finish what was said when no audio has come for a second before `moment` (monotonic)."""
        if self.state is State.HEARD and not self._finished and moment - self._heard_at > _IDLE_SECONDS:
            self._finished = True
            self._enqueue(Piece(self._heard_at, self._take_rest(), lost=0))

    def end(self) -> None:
        """The connection is gone: decode what waits, tell it, and be over."""
        if self.state is State.OVER:
            return
        rest = self._take_rest() if self.state is State.HEARD else b""
        self.state = State.OVER
        self._enqueue(Piece(time.monotonic(), rest, last=True))

    # What the service decides

    def start(self) -> None:
        """Tell that this leg is listened to."""
        self._model_told = self.model
        self._outbox.publish(
            ListeningStarted(
                **self._about("started"),
                speaker=self.tap.speaker,
                tap_id=self.tap.tap_id,
                model=self._model_told,
            )
        )

    @property
    def model(self) -> str:
        """The name of the model that hears this leg, or will when it first speaks."""
        return self._recogniser.name if self._recogniser else self._loaded.name

    @property
    def language(self) -> str:
        """The language in which it is heard."""
        return self._loaded.language

    def go_over(self) -> None:
        """`loaded` has another recogniser: see to it that also a leg on which nothing comes goes over to it."""
        if self.state is not State.OVER:
            self._enqueue(Piece(time.monotonic()))

    def leave_out(self, why: Literal["overloaded", "stalled"], reason: str, detail: str) -> None:
        """Drop what waits and listen no more until `take_back`. `reason` is the label the lost seconds count under."""
        if self.state is not State.HEARD:
            return
        self.state = State.LEFT_OUT
        self._reason = reason
        dropped = self._take_rest()
        self._lose(len(dropped) + self._waiting_bytes)
        self._lost += sum(piece.lost or 0 for piece in self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._stream is not None:
            # What was being said until now is finished and told.
            self._enqueue(Piece(time.monotonic(), lost=0))
        self.unavailable(why, detail)

    def take_back(self) -> None:
        """Listen again after `leave_out`."""
        self.state = State.HEARD
        self._finished = True
        self._enqueue(Piece(time.monotonic(), lost=self._lost))
        self._lost = 0
        self.start()

    def fail(self, detail: str) -> None:
        """Give this leg up for good, and tell so."""
        if self._failed:
            return
        self._failed = True
        self.state = State.OVER
        self._reason = "failed"
        metrics.failed.inc()
        metrics.dropped.labels("failed").inc(self._waiting_bytes / _BYTES_PER_SECOND)
        self._waiting.clear()
        self._waiting_bytes = 0
        self.unavailable("tap_failed", detail)

    def unavailable(self, why: Literal["overloaded", "tap_failed", "stalled"], detail: str) -> None:
        """Tell that this leg is not listened to."""
        self._log.warning("a leg is not listened to", reason=why, detail=detail)
        self._outbox.publish(
            ListeningUnavailable(**self._about("unavailable"), speaker=self.tap.speaker, reason=why, detail=detail)
        )

    # What the pool asks

    @property
    def waits_since(self) -> float | None:
        """When the oldest piece that waits arrived (monotonic); None when none waits."""
        return self._waiting[0].arrived if self._waiting else None

    @property
    def gone(self) -> bool:
        """Nothing is left to do, and nothing will come."""
        return self.state is State.OVER and not self._waiting and not self.busy

    def take(self) -> Piece:
        """The next piece; there must be one."""
        piece = self._waiting.popleft()
        self._waiting_bytes -= len(piece.pcm)
        return piece

    def work(self, piece: Piece) -> list[Interim | Final]:
        """Decode one piece (in a thread). Raises what the recogniser raises."""
        wanted = self._loaded.recogniser
        if wanted is None:
            raise RecognitionError(self._loaded.trouble)
        if self._stream is None:
            if not piece.pcm and piece.lost is None:
                return []
            self._stream = GatedStream(wanted.start(), self._gate)
            self._recogniser = self._next = wanted
        elif wanted is not self._next:
            self._stream.replace(wanted.start)
            self._next = wanted
        results = self._stream.feed(piece.pcm)
        if not self._stream.replacing:
            self._recogniser = self._next
        if piece.last:
            return results + self._stream.close()
        if piece.lost is not None:
            return results + self._stream.skip(piece.lost)
        return results

    def worked(self, piece: Piece, outcome: list[Interim | Final] | Exception) -> None:
        """Tell what `work` found (back in the loop)."""
        if isinstance(outcome, Exception):
            self._log.error("decoding a leg failed", exc_info=outcome)
            self.fail(f"{type(outcome).__name__}: {outcome}"[:200])
            return
        self._count()
        if piece.pcm:
            metrics.delay.observe(time.monotonic() - piece.arrived)
        for result in outcome:
            self._tell(result)
        if self._model_told and self.model != self._model_told and self.state is State.HEARD:
            self.start()
        if self._overflown and not self._waiting and self.state is State.HEARD:
            self._overflown = False
            self.start()

    def _enqueue(self, piece: Piece) -> None:
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.pcm)
        if self._waiting_bytes > self._most_bytes:
            self._overflow()
        self._ready(self)

    def _overflow(self) -> None:
        lost = 0
        while self._waiting_bytes > self._most_bytes:
            # A gap that an earlier overflow left stands first and is taken up into this one.
            oldest = self.take()
            lost += len(oldest.pcm) // 2 + (oldest.lost or 0)
            metrics.dropped.labels("backlog").inc(len(oldest.pcm) / _BYTES_PER_SECOND)
        self._waiting.appendleft(Piece(self._waiting[0].arrived, lost=lost))
        if not self._overflown:
            self._overflown = True
            self.unavailable("overloaded", "this leg's audio is decoded too slowly; the oldest is left out")

    def _lose(self, amount: int) -> None:
        self._lost += amount // 2
        metrics.dropped.labels(self._reason or "failed").inc(amount / _BYTES_PER_SECOND)

    def _about(self, kind: str) -> dict[str, Any]:
        self._told += 1
        event_id = f"{self.tap.tap_id}:{kind}:{self._told}"
        return {"call_id": self.tap.call_id, "event_id": event_id, "at": now()}

    def _take_rest(self) -> bytes:
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _count(self) -> None:
        if self._stream is None:
            return
        passed, gated = self._stream.passed_samples, self._stream.gated_samples
        metrics.decoded.inc((passed - self._counted[0]) / RATE)
        metrics.gated.inc((gated - self._counted[1]) / RATE)
        self._counted = (passed, gated)

    def _tell(self, result: Interim | Final) -> None:
        tap = self.tap
        if isinstance(result, Interim):
            self._outbox.publish_interim(
                UtteranceInterim(
                    call_id=tap.call_id,
                    speaker=tap.speaker,
                    tap_id=tap.tap_id,
                    number=self._number + 1,
                    text=result.text,
                )
            )
            return
        self._number += 1
        metrics.utterances.labels(tap.speaker).inc()
        self._outbox.publish(
            Utterance(
                call_id=tap.call_id,
                event_id=f"{tap.tap_id}:{self._number}",
                at=now(),
                speaker=tap.speaker,
                tap_id=tap.tap_id,
                number=self._number,
                text=result.text,
                start=result.start,
                end=result.end,
                confidence=result.confidence,
                words=tuple(
                    Word(text=word.text, start=word.start, end=word.end, confidence=word.confidence)
                    for word in result.words
                ),
            )
        )
