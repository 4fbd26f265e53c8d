"""What the desk's handlers share, kept in the application under `DESK`."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from aiohttp import web
from redis.asyncio import Redis

from desk.catalogue import Catalogue
from desk.health import HealthWatch
from desk.live import Live
from desk.throttle import Throttle
from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.linkage.configuration import LinkagePlan
from routing.storage import Database
from settings import Settings


@dataclass(frozen=True)
class Desk:
    """The parts that handlers use."""

    settings: Settings
    database: Database
    redis: Redis
    jurisdiction: Jurisdiction
    catalogue: Catalogue
    health: HealthWatch
    live: Live
    throttle: Throttle
    timezone: ZoneInfo
    linkage: LinkagePlan
    centre: Centre

    def agent_name(self, extension: str) -> str:
        """Name and extension of an agent, as config/agents.yaml has it; the extension alone when it has not."""
        names = {agent.extension: agent.name for agent in self.settings.agents.agents}
        return f"{names[extension]} {extension}" if extension in names else extension

    def queue_title(self, name: str) -> str:
        """What people call a queue."""
        titles = {queue.name: queue.title for queue in self.settings.queues.queues}
        return titles.get(name, name)

    def service_level(self, queue: str) -> int:
        """Seconds within which a call of this queue should be answered; of the strictest queue, if it is in none."""
        levels = {queue.name: queue.service_level_seconds for queue in self.settings.queues.queues}
        return levels.get(queue, min(levels.values()))

    def line_name(self, number: str) -> str:
        """What people call a number that citizens dial."""
        names = {line.number: line.name for line in self.settings.lines.numbers}
        return names.get(number, number)


DESK = web.AppKey("desk", Desk)
