"""The programs that the server starts: Redis, Asterisk, the listening process.

Redis and Asterisk are kept in sessions of their own and outlive a server that is killed: calls go on, nothing that
was told is lost, and the next server finds and adopts them. An orderly stop ends all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import multiprocess
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ivr import asterisk_files
from ivr.ami import AmiClient
from ivr.secrets import Secrets
from ivr.wire.ami import Message
from settings import ROOT, HotlineError, Settings

log = structlog.get_logger(__name__)


class ChildFailed(HotlineError):
    """A program could not be started; the message says which, why, and where its log is."""


class Child:
    """A program kept running: adopted when it runs already, started when not, started again when it dies."""

    def __init__(
        self,
        name: str,
        pid_file: Path,
        command: Callable[[], list[str]],
        answers: Callable[[int], Awaitable[bool]],
        output: Path,
        *,
        start_seconds: float = 30.0,
        stop_signal: signal.Signals = signal.SIGTERM,
        with_us: bool = False,
        on_end: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self.name = name
        self._pid_file = pid_file
        self._command = command
        self._answers = answers
        self._output = output
        self._start_seconds = start_seconds
        self._stop_signal = stop_signal
        self._with_us = with_us
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.trouble = ""
        self.adopted = False
        """Whether it ran before us: an earlier server of this data folder started it."""

    @property
    def running(self) -> bool:
        """Whether it runs now, started by us or by an earlier server of this data folder."""
        return self._pid() is not None

    async def start(self) -> None:
        """Adopt or start it and wait until it answers.

        Raises ChildFailed; also when one runs that does not answer us: it may carry calls, so it is not ended unasked.
        With `with_us` a failure to start is only logged, and tried again: nothing that calls need depends on it.
        """
        pid = self._pid()
        if self._with_us:
            await self._end()  # one that an earlier server left behind, on its way out
            try:
                await self._launch()
            except ChildFailed as problem:
                self.trouble = str(problem)
                log.error("not started; trying on", program=self.name, problem=self.trouble)
                await self._end()
        elif pid:
            await self._adopt(pid)
        else:
            await self._launch()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def _adopt(self, pid: int) -> None:
        for _ in range(8):  # it may be busy, just after a server was killed under load
            if await self._answers(pid):
                log.info("adopted a running program", program=self.name, pid=pid)
                self.adopted = True
                return
            await asyncio.sleep(1)
        raise ChildFailed(
            f"{self.name} runs already (process {pid}) and does not answer as this configuration says; "
            f"undo the change, or end it and its calls with: kill {pid}"
        )

    async def leave(self) -> None:
        """Stop looking after it; it runs on."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    async def stop(self) -> None:
        """End it, gently first, and wait until it is gone."""
        await self.leave()
        await self._end()

    async def _end(self) -> None:
        for number, seconds in ((self._stop_signal, 10.0), (signal.SIGKILL, 5.0)):
            pid = self._pid()
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self._pid() is not None:
                        await asyncio.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)
        self._tell_end()

    def _tell_end(self) -> None:
        if self._process is not None:
            self._on_end(self._process.pid)

    async def _launch(self) -> None:
        self._output.parent.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with self._output.open("ab") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE if self._with_us else asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as problem:
                raise ChildFailed(f"{self.name}: {command[0]} cannot be started: {problem}") from problem
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        # At once: whoever reads it in between (a second start, a health check) must not find it empty.
        written = self._pid_file.with_suffix(".pid.new")
        written.write_text(f"{self._process.pid}\n{_start_time(self._process.pid)}\n", encoding="ascii")
        written.replace(self._pid_file)
        try:
            async with asyncio.timeout(self._start_seconds):
                while not await self._answers(self._process.pid):
                    if self._process.returncode is not None:
                        raise ChildFailed(
                            f"{self.name} ended at once (exit code {self._process.returncode}): {self._last_words()}"
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildFailed(
                f"{self.name} did not answer within {self._start_seconds:g} s: {self._last_words()}"
            ) from None
        self.trouble = ""
        log.info("started", program=self.name, pid=self._process.pid)

    async def _keep(self) -> None:
        pause = 0.5
        while True:
            if self._pid() is not None:
                await asyncio.sleep(0.2)
                continue
            self._tell_end()
            self.trouble = f"{self.name} ended and is being started again"
            log.error("a program ended; starting it again", program=self.name, last_words=self._last_words())
            try:
                await self._launch()
                pause = 0.5
            except Exception as problem:  # whatever it is (a full disk): without this loop it is never started again
                self.trouble = str(problem) or type(problem).__name__
                log.error("could not start it again", program=self.name, problem=str(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)

    def _pid(self) -> int | None:
        """The running program's process id, None when it is not running."""
        if self._process is not None:
            return self._process.pid if self._process.returncode is None else None
        return running_pid(self._pid_file)

    def _last_words(self) -> str:
        try:
            text = self._output.read_text(encoding="utf-8", errors="replace").strip()
        except OSError as problem:
            return f"(no log: {problem})"
        return f"{' / '.join(text.split(chr(10))[-3:])[-400:]} (log: {self._output})"


def running_pid(pid_file: Path) -> int | None:
    """The process that a pid file of ours names, None when it is gone."""
    try:
        pid, started = pid_file.read_text(encoding="ascii").split()
        # The start time tells our program from another one that was given the same number later.
        return int(pid) if _start_time(int(pid)) == started else None
    except (OSError, ValueError):
        return None


def _start_time(pid: int) -> str:
    """Clock ticks at which a process started (proc(5), field 22); '' when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


async def _fully_booted(settings: Settings, secrets: Secrets) -> bool:
    """Whether Asterisk has loaded everything: it says so to each AMI client that logs in, not before."""
    booted = asyncio.Event()

    def on_event(message: Message) -> None:
        if message.event == "FullyBooted":
            booted.set()

    asterisk = settings.hotline.asterisk
    ami = AmiClient(
        "127.0.0.1", settings.hotline.ports.ami, asterisk.ami_user, secrets.ami_secret, on_event=on_event, quiet=True
    )
    ami.start()
    try:
        await asyncio.wait_for(booted.wait(), 2)
    except TimeoutError:
        return False
    finally:
        await ami.close()
    return True


def redis(settings: Settings) -> Child:
    """Our own redis-server: a socket in the data folder, every write on disk before it is acknowledged to us.

    appendonly with everysec keeps each acknowledged event through the death of the process; only the machine's
    own loss of power can cost the last second.
    """
    data = settings.data_dir
    folder = data / "redis"

    def command() -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            "redis-server",
            *("--port", "0", "--unixsocket", str(data / "redis.sock"), "--unixsocketperm", "700"),
            *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--daemonize", "no", "--loglevel", "warning"),
        ]

    async def answers(_: int) -> bool:
        client = Redis.from_url(settings.redis_url)
        try:
            async with asyncio.timeout(1):
                return bool(await client.ping())
        except (RedisError, OSError, TimeoutError):
            return False
        finally:
            await client.aclose()

    return Child("redis", data / "run" / "redis.pid", command, answers, data / "log" / "redis.log")


def asterisk(settings: Settings, secrets: Secrets) -> Child:
    """Our own Asterisk, configured from config/ and dialplans/ each time it is started."""
    folder = settings.data_dir / "asterisk"

    def command() -> list[str]:
        conf = asterisk_files.write(settings, secrets, folder)
        return [str(asterisk_files.program()), "-f", "-C", str(conf)]

    async def answers(_: int) -> bool:
        return await _fully_booted(settings, secrets)

    return Child(
        "asterisk",
        settings.data_dir / "run" / "asterisk.pid",
        command,
        answers,
        settings.data_dir / "log" / "asterisk.log",
        start_seconds=60,
    )


def listening(settings: Settings, arguments: list[str], ready: Callable[[int], Awaitable[bool]]) -> Child:
    """Speech recognition in a process of its own: its crash or stall costs the transcript and nothing else.

    `arguments` are those that our own settings were read with; `ready` tells whether the process is at work.
    """

    def command() -> list[str]:
        return [sys.executable, str(ROOT / "server.py"), *arguments, "run", "--role", "listening", "--child"]

    return Child(
        "listening",
        settings.data_dir / "run" / "listening.pid",
        command,
        ready,
        settings.data_dir / "log" / "listening.log",
        with_us=True,
        on_end=multiprocess.mark_process_dead,  # what it counted as "now" is over
    )
