"""The real Redis and PostgreSQL that tests run against, each in a folder of its own, reached by a unix socket only.

`redis_server(folder)` and `postgres_server(folder)` are the short way; the classes can also be stopped, killed and
started again in the middle of a test.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

_SECONDS = 15.0
_POSTGRES_USER = "postgres"


class RedisServer:
    """A redis-server that keeps its data in `folder` (append-only file, every write) when `durable`."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder
        # A socket's path may have 107 bytes, which pytest's folders can exceed.
        self._sockets = Path(tempfile.mkdtemp(prefix="redis-"))
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._sockets / 'redis.sock'}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if self._durable else ["--save", ""]
        socket = str(self._sockets / "redis.sock")
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(self._folder), *keep],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        client.close()

    def kill(self) -> None:
        """End it without warning."""
        if self._process:
            self._process.kill()
            self._process.wait(_SECONDS)
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)


class PostgresServer:
    """A PostgreSQL cluster in `folder`. As root it runs as the user `postgres`, who is given the folder."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._folder = folder
        self._sockets = Path(tempfile.mkdtemp(prefix="pg-"))
        self._bin = _postgres_programs()
        self._as_root = os.geteuid() == 0

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of one of its databases."""
        return f"postgresql+asyncpg://{_POSTGRES_USER}@/{database}?host={self._sockets}"

    @property
    def dsn(self) -> str:
        """asyncpg's own URL of the maintenance database."""
        return f"postgresql://{_POSTGRES_USER}@/postgres?host={self._sockets}"

    def create(self) -> None:
        """Make the cluster. It survives being stopped at once; only a power cut it would not (fsync is off)."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._as_root:
            owner = pwd.getpwnam(_POSTGRES_USER)
            for path in (self._folder, self._sockets):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", _POSTGRES_USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self._sockets}'\n"
                "fsync = off\nfull_page_writes = off\nmax_connections = 400\n"
                "shared_buffers = 16MB\n"
            )

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        """Stop it at once; open connections are cut."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        """Stop it if it runs, for good."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if self._as_root:
            command = ["runuser", "-u", _POSTGRES_USER, "--", *command]
        done = subprocess.run(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")


def _postgres_programs() -> Path:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        raise RuntimeError("PostgreSQL is not installed: neither on the PATH nor where Debian puts it")
    return installed[-1].parent


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis for as long as the block lasts; gives its URL."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.close()


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL for as long as the block lasts; gives SQLAlchemy's URL of its first, empty database.

    The user `postgres` must be able to reach `folder` (pytest's own folders are closed to others when root runs it).
    """
    server = PostgresServer(folder)
    server.create()
    server.start()
    try:
        yield server.url()
    finally:
        server.close()
