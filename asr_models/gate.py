"""The voice-activity gate: silence is not decoded, which is most of what a leg carries.

It stands before any recogniser's stream and is one itself. Closed, it keeps the last 300 ms and passes nothing;
when voice begins it passes those too, so that no first syllable is cut. 600 ms after the last voice it closes and
lets the utterance be finished: enough for Vosk to have found the end by itself (its rule 2 wants 500 ms).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import webrtcvad  # type: ignore[import-untyped]  # the package has no type information

from asr_models.recogniser import RATE, Final, Interim, Stream

_FRAME_SAMPLES = RATE // 50
_FRAME_BYTES = 2 * _FRAME_SAMPLES
"""20 ms, a length that webrtcvad takes and that telephone audio arrives in."""

_PRE_ROLL = 15
_HANGOVER = 30
# Voice begins when 3 of the last 5 frames hold it: a click, which webrtcvad stretches to 2 frames or 3, and the
# frames in which it gets used to a new level seldom open the gate, and a syllable loses nothing to the pre-roll.
_WINDOW = 5
_VOICED = 3

_LONGEST_WITHOUT_PAUSE = 20 * RATE
"""Samples for which a replacement waits for a pause; on a line with a steady noise none may come."""


class GatedStream:
    """A Stream that hands `behind` only what holds voice, and keeps positions those of the whole audio.

    `aggressiveness` is webrtcvad's mode, 0-3; 3 lets least through.
    """

    def __init__(self, behind: Stream, aggressiveness: int) -> None:
        self._behind = behind
        self._vad = webrtcvad.Vad(aggressiveness)
        self._rest = b""
        self._open = False
        self._quiet = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._held: deque[bytes] = deque()
        self._unheard = 0
        self._position = 0
        self._next: Callable[[], Stream] | None = None
        self._waited = 0
        self.passed_samples = 0
        """Handed on so far."""
        self.gated_samples = 0
        """Held back so far, without those that may still be passed as pre-roll."""

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        """As Stream.feed; audio is judged in frames of 20 ms, what is left over waits for the next call."""
        self._waited += len(pcm) // 2
        pcm = self._rest + pcm
        end = len(pcm) - len(pcm) % _FRAME_BYTES
        self._rest = pcm[end:]
        results: list[Interim | Final] = [*self._go_over()]
        passing = bytearray()
        for start in range(0, end, _FRAME_BYTES):
            frame = pcm[start : start + _FRAME_BYTES]
            voiced = self._vad.is_speech(frame, RATE)
            if self._open:
                passing += frame
                self._quiet = 0 if voiced else self._quiet + 1
                if self._quiet >= _HANGOVER:
                    results += self._pass_on(passing)
                    passing.clear()
                    results += self._shut() + self._go_over()
            elif self._opens(frame, voiced):
                results += self._behind.skip(self._unheard) if self._unheard else []
                self._position += self._unheard
                self._unheard = 0
                passing += b"".join(self._held)
                self._held.clear()
        return results + self._pass_on(passing)

    def skip(self, samples: int) -> list[Interim | Final]:
        """As Stream.skip."""
        # What waits to be judged, less than 300 ms without voice, is given up with the audio that was lost.
        waiting = sum(map(len, self._held)) + len(self._rest)
        self._held.clear()
        self._rest = b""
        self._unheard += waiting // 2 + samples
        return self._shut()

    def replace(self, start: Callable[[], Stream]) -> None:
        """Let a stream that `start` makes go on in place of the present one: at the next pause, after 20 s without one.

        What is being said until then is told by the present one. `feed` then raises what `start` raises.
        """
        self._next = start
        self._waited = 0

    @property
    def replacing(self) -> bool:
        """Whether a replacement waits for its pause."""
        return self._next is not None

    def close(self) -> list[Final]:
        """As Stream.close."""
        last = self._pass_on(bytearray(self._rest)) if self._open else []
        self._rest = b""
        return [result for result in last if isinstance(result, Final)] + self._behind.close()

    def _opens(self, frame: bytes, voiced: bool) -> bool:
        self._held.append(frame)
        if len(self._held) > _PRE_ROLL:
            self._held.popleft()
            self._unheard += _FRAME_SAMPLES
            self.gated_samples += _FRAME_SAMPLES
        self._recent.append(voiced)
        self._open = sum(self._recent) >= _VOICED
        return self._open

    def _go_over(self) -> list[Interim | Final]:
        if self._next is None or (self._open and self._waited < _LONGEST_WITHOUT_PAUSE):
            return []
        fresh = self._next()
        fresh.skip(self._position)
        last: list[Interim | Final] = [*self._behind.close()]
        self._behind, self._next = fresh, None
        return last

    def _pass_on(self, pcm: bytearray) -> list[Interim | Final]:
        self.passed_samples += len(pcm) // 2
        self._position += len(pcm) // 2
        return self._behind.feed(bytes(pcm)) if pcm else []

    def _shut(self) -> list[Interim | Final]:
        was_open, self._open = self._open, False
        self._quiet = 0
        self._recent.clear()
        return self._behind.skip(0) if was_open else []
