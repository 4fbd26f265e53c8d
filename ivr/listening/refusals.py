"""Refusing connections without letting them fill the log: each is counted, one warning in ten seconds per reason."""

from __future__ import annotations

import time

import structlog

from ivr.listening import metrics

log = structlog.get_logger(__name__)

_SECONDS = 10.0


class Refusals:
    """One for each service."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def note(self, reason: str, peer: str, problem: str) -> None:
        """Count a refusal and perhaps log it. `reason` is one of few words, `problem` says more."""
        metrics.refused.labels(reason).inc()
        now = time.monotonic()
        if now - self._told.get(reason, -_SECONDS) < _SECONDS:
            self._untold[reason] = self._untold.get(reason, 0) + 1
            return
        self._told[reason] = now
        log.warning(
            "an audio connection was refused",
            reason=reason,
            peer=peer,
            problem=problem,
            more_since_last_warning=self._untold.pop(reason, 0),
        )
