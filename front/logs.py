"""Where the log goes: standard error, one line an event. A line that cannot be written never reaches a call."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def log_to_stderr(*, verbose: bool) -> None:
    """Set up structlog for this process: coloured at a terminal, key=value elsewhere; `verbose` adds debug lines."""
    at_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=at_terminal, exception_formatter=structlog.dev.plain_traceback)
            if at_terminal
            else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=_StandardError,
        cache_logger_on_first_use=True,
    )


class _StandardError:
    """Writes to what is standard error now.

    structlog's own logger keeps the stream that it was made with and raises when that is closed, when its reader has
    gone (`run | head`) or the disk is full: the exception would end the task that wanted to say something, and with
    it a call. Here the line is lost, counted, and the count told as soon as writing works again.
    """

    lost = 0

    def __init__(self, *_: Any) -> None: ...

    def msg(self, line: str) -> None:
        kind = _StandardError
        if kind.lost:
            line = f"{kind.lost} lines of this log could not be written\n{line}"
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
            kind.lost = 0
        except (OSError, ValueError):
            kind.lost += 1

    debug = info = warning = error = critical = msg
