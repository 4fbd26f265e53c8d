"""What the desk's tests stand on: one Redis for all of them, a database and a running desk for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from tests.desk.running_desk import Running, make_template, running_desk
from tests.services import RedisServer


@pytest.fixture(scope="session")
def redis_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(make_template(tmp_path_factory.mktemp("template")))


@pytest.fixture
async def desk(tmp_path: Path, template: Path, redis_of_session: RedisServer) -> AsyncIterator[Running]:
    with redis.Redis.from_url(redis_of_session.url) as client:
        client.flushall()
    async with running_desk(tmp_path, template, redis_of_session.url) as running:
        yield running


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for one test, to be killed and started again."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.close()
