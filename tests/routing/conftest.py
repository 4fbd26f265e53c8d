"""What the tests of routing stand on: Yazhou's file, a Redis, and an empty migrated database of either kind."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from routing.jurisdiction import Jurisdiction, load
from routing.secrecy.keys import Keys, draw
from routing.storage import Database, migrate
from settings import ROOT
from tests.services import PostgresServer, RedisServer

YAZHOU = ROOT / "config" / "jurisdictions" / "yazhou.yaml"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def yazhou() -> Jurisdiction:
    return load(YAZHOU)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    # Not in pytest's folder: when root runs the tests, the user postgres could not reach it.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.create()
        server.start()
        yield server
        server.close()


@pytest.fixture(scope="session")
def redis_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def redis(redis_of_session: RedisServer) -> AsyncIterator[Redis]:
    """An empty Redis; the client is made as the server makes its own."""
    client = connect(redis_of_session.url)
    await client.flushall()
    yield client
    await client.aclose()


def connect(url: str) -> Redis:
    """A client as front/running.py makes it: it does not try again by itself."""
    return Redis.from_url(url, socket_timeout=10, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0))


@dataclass(frozen=True)
class Empty:
    """A database without tables. `file` is set for SQLite, `server` for PostgreSQL."""

    kind: str
    url: str
    file: Path | None = None
    server: PostgresServer | None = None


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Empty]:
    if request.param == "sqlite":
        file = tmp_path / "hotline.db"
        yield Empty("sqlite", f"sqlite+aiosqlite:///{file}", file=file)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{next(_numbers)}"
    await _execute(server, f"CREATE DATABASE {name}")
    yield Empty("postgresql", server.url(name), server=server)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the migrated SQLite file lies from which each test's is copied."""
    return tmp_path_factory.mktemp("sqlite") / "migrated.db"


async def migrated_copy(migrated_file: Path, folder: Path) -> str:
    """The URL of a copy in `folder`."""
    if not migrated_file.exists():
        await migrate(f"sqlite+aiosqlite:///{migrated_file}")
    shutil.copy(migrated_file, folder / "hotline.db")
    return f"sqlite+aiosqlite:///{folder / 'hotline.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def migrated(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Empty:
    """A migrated database of its own for this test, copied from one that was migrated once."""
    if request.param == "sqlite":
        return Empty("sqlite", await migrated_copy(migrated_file, tmp_path), file=tmp_path / "hotline.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    if not await _execute(server, "SELECT 1 FROM pg_database WHERE datname = 'migrated'"):
        await _execute(server, "CREATE DATABASE migrated")
        await migrate(server.url("migrated"))
    name = f"test_{next(_numbers)}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE migrated")
    return Empty("postgresql", server.url(name), server=server)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Keys of this test process; what is sealed with them is read by nobody else."""
    return draw(tmp_path_factory.mktemp("keys") / "seal-keys.yaml")


@pytest.fixture
async def database(migrated: Empty, keys: Keys) -> AsyncIterator[Database]:
    opened = Database(migrated.url, keys=keys)
    yield opened
    await opened.close()


async def _execute(server: PostgresServer, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.dsn)
    try:
        found: list[asyncpg.Record] = await connection.fetch(statement)
        return found
    finally:
        await connection.close()
