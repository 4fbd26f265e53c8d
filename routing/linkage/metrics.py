"""Counters of linkages for Prometheus; those of records are counted once their transaction is committed."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

linkages = Counter("hotline_linkages_total", "Three-line linkages, by who asked first and how", ["by", "via"])
lines = Counter("hotline_linkage_lines_total", "Lines that were asked for in linkages", ["line"])
attempts = Counter("hotline_line_attempts_total", "Attempts to reach a line, by how they ended", ["line", "outcome"])
exhausted = Counter("hotline_lines_exhausted_total", "Times that no number of a line could be reached", ["line"])
answer_seconds = Histogram(
    "hotline_line_answer_seconds",
    "From asking for a line to its answer",
    ["line"],
    buckets=(0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300),
)
alarms = Counter("hotline_linkage_alarms_total", "Alarms on the desks about linkages and lines", ["kind"])
notices = Counter("hotline_station_notices_total", "Attempts to tell a station's webhook", ["station", "result"])
notices_waiting = Gauge(
    "hotline_station_notices_waiting", "Messages that wait for a station's webhook", multiprocess_mode="livemax"
)
rehearsals = Counter("hotline_line_rehearsals_total", "Rehearsals of lines", ["line", "result"])
line_rehearsed = Gauge(
    "hotline_line_rehearsed",
    "1: the line's newest rehearsal reached its test number; 0: it did not, is too old, or there is none",
    ["line"],
    multiprocess_mode="livemostrecent",
)
line_rehearsed_at = Gauge(
    "hotline_line_rehearsed_timestamp_seconds",
    "When the line was rehearsed with success for the last time, Unix time; 0: never",
    ["line"],
    multiprocess_mode="livemostrecent",
)


def once_committed(session: AsyncSession, count: Callable[[], object]) -> None:
    """Call `count` when the session's transaction is committed; never, when it is rolled back."""

    def committed(_: object) -> None:
        count()

    event.listen(session.sync_session, "after_commit", committed, once=True)
