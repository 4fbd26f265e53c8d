"""Words of danger from a caller whom nobody has answered yet: which lines should be offered to them.

While an agent talks with the caller the agent decides, and every desk sees the proposal. A caller who still waits has
only us: the lines are named to them, and called unless they say no with a digit (YZ-14(5)).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from ivr.commands import CommandRefused, OfferLines, ask
from ivr.events import STREAM, Utterance, load, now
from routing.intake import entries, heed_cancellation
from routing.jurisdiction import Jurisdiction
from routing.linkage.proposals import propose_linkage
from routing.reading.matter_words import danger_words
from routing.reading.spoken import plain
from routing.storage import Database

log = structlog.get_logger(__name__)

GROUP = "alarm"
"""The consumer group of this part: each utterance is looked at by one process, at most once."""

HEAVY_ENOUGH = 0.5
"""The weight from which words of danger offer a line by themselves. Smoke (0.5) does: a missed emergency is worse than
a false alarm, and the caller can say no."""

ALIKE_ENOUGH = 0.74
"""For what only sounds like danger, in words that nobody listed: surer, because the offer disturbs a caller who waits.
The agent's desk is shown less likely ones too."""

FRESH = timedelta(seconds=20)
"""Words that were said longer ago offer nothing: much may have happened since, an agent may be there."""

_ANSWER_SECONDS = 3.0
_BATCH = 50
_BLOCK_MILLISECONDS = 1000
_PAUSE_SECONDS = 0.5
_AT_ONCE = 50

_heard = Counter("hotline_spoken_alarms_total", "Callers' words of danger, and what became of the offer", ["outcome"])


@dataclass(frozen=True)
class Alarm:
    """Lines to offer, the most needed first, and the words that call for them."""

    lines: tuple[str, ...]
    words: tuple[str, ...]


def alarm(text: str, jurisdiction: Jurisdiction) -> Alarm | None:
    """What a caller's utterance calls for; None when there is no danger in it. Pure."""
    weights: dict[str, float] = {}
    words: dict[str, None] = {}
    for danger in danger_words(jurisdiction, plain(text)):
        if danger.weight < (ALIKE_ENOUGH if danger.alike else HEAVY_ENOUGH) or not danger.hint.lines:
            continue
        words[danger.phrase] = None
        for position, line in enumerate(danger.hint.lines):
            weights[line] = max(weights.get(line, 0), danger.weight / (1 + position))
    if not weights:
        return None
    return Alarm(tuple(sorted(weights, key=lambda line: -weights[line])), tuple(words))


class SpokenAlarm:
    """Reads what callers say, and asks the bridge that holds the call to offer the lines."""

    def __init__(self, database: Database, redis: Redis, jurisdiction: Jurisdiction, *, consumer: str) -> None:
        self._database = database
        self._redis = redis
        self._jurisdiction = jurisdiction
        self._consumer = consumer
        self._has_group = False
        self._offers: set[asyncio.Task[None]] = set()
        self._shows: set[asyncio.Task[None]] = set()
        """Apart, so that a database that answers nobody keeps no caller from being offered a line."""

    async def run(self) -> None:
        """Work until cancelled; outlives any absence of Redis."""
        try:
            while True:
                heed_cancellation()
                try:
                    await self._turn()
                except (RedisError, OSError) as problem:
                    log.warning("nobody looks for words of danger: redis is away", problem=str(problem))
                    self._has_group = False
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            # To their end: a statement abandoned in the middle can keep SQLite's write lock.
            if under_way := self._offers | self._shows:
                await asyncio.wait(under_way, timeout=2 * _ANSWER_SECONDS)

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="$", mkstream=True)
        except ResponseError as problem:
            if not str(problem).startswith("BUSYGROUP"):
                raise

    async def _turn(self) -> None:
        if not self._has_group:
            # Also after trouble: Redis may have come back without its data.
            await self._make_group()
            self._has_group = True
        # NOACK: what was read and not acted on is never read again, because acting late would be worse.
        found = await self._redis.xreadgroup(
            GROUP, self._consumer, {STREAM: ">"}, count=_BATCH, block=_BLOCK_MILLISECONDS, noack=True
        )
        for _, fields in entries(found):
            if data := (fields or {}).get(b"event"):
                self._look_at(data)

    def _look_at(self, data: bytes | str) -> None:
        try:
            event = load(data)
        except ValueError:
            # The intake reads the same entry, and puts it aside with the reason.
            return
        if not isinstance(event, Utterance) or event.speaker != "caller" or now() - event.at > FRESH:
            return
        found = alarm(event.text, self._jurisdiction)
        if found is None:
            return
        for under_way, act, name in ((self._offers, self._offer, "offer"), (self._shows, self._show, "show")):
            if len(under_way) >= _AT_ONCE:
                _heard.labels(f"{name}_dropped").inc()
                log.error("too many words of danger at once", dropped=name, call_id=event.call_id, lines=found.lines)
                continue
            task = asyncio.create_task(act(event.call_id, found))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def _show(self, call_id: str, found: Alarm) -> None:
        try:
            await propose_linkage(self._database, self._redis, call_id, found.lines, found.words)
        except (SQLAlchemyError, OSError) as problem:
            # The caller hears the offer all the same, and the ticket's own proposals are read by the intake.
            log.warning("the desks were not shown a caller's words of danger", call_id=call_id, problem=repr(problem))

    async def _offer(self, call_id: str, found: Alarm) -> None:
        command = OfferLines(call_id=call_id, lines=found.lines, words="、".join(found.words)[:100])
        try:
            await ask(self._redis, command, _ANSWER_SECONDS)
        except CommandRefused as refused:
            # Mostly: an agent is there already, or the caller has said no to these lines before.
            _heard.labels(refused.code).inc()
            log.info("no line is offered", call_id=call_id, code=refused.code)
        else:
            _heard.labels("offered").inc()
            log.warning("lines are offered to a waiting caller", call_id=call_id, lines=found.lines)
