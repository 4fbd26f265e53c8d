"""A whole hotline of one's own: on free ports, with a data folder of its own, started and stopped as an operator
would (`server.py run` in a process). For the demonstration, the end-to-end tests and the benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from front.children import running_pid
from front.ports import free_tcp_port, free_udp_ports
from settings import ROOT, HotlineError


def _environment() -> dict[str, str]:
    """Ours without what would make it mean another instance: its database, its Redis, its ports."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("HOTLINE_", "PROMETHEUS_"))}


class InstanceFailed(HotlineError):
    """The hotline did not start, or not as it should; the message holds its last words."""


class Instance:
    """`folder` gets `config/` (a copy of the project's, to be changed before the start) and `data/`."""

    def __init__(self, folder: Path, overrides: dict[str, str] | None = None, *, rtp_ports: int = 200) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.data.mkdir(parents=True)
        shutil.copytree(ROOT / "config", self.config)
        for prepared in ("sounds", "moh"):
            # Rendered once for the project by set-up; rendering them again would take most of the start.
            if (ROOT / "var" / prepared).is_dir():
                shutil.copytree(ROOT / "var" / prepared, self.data / prepared)
        rtp = free_udp_ports(rtp_ports)
        self.ports = {
            "sip": free_udp_ports(1),
            "rtp_first": rtp,
            "rtp_last": rtp + rtp_ports - 1,
            **{name: free_tcp_port() for name in ("ami", "fastagi", "http", "audio", "web")},
        }
        self.overrides = {f"ports.{name}": str(port) for name, port in self.ports.items()} | (overrides or {})
        self.process: asyncio.subprocess.Process | None = None
        self._tokens: dict[str, str] = {}

    @property
    def web(self) -> str:
        """The desk's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.ports['web']}"

    def arguments(self) -> list[str]:
        """What `server.py` needs before the command to mean this instance."""
        own = ["--config", str(self.config), "--data", str(self.data)]
        for key, value in self.overrides.items():
            own += ["--set", f"{key}={value}"]
        return own

    async def start(self, *arguments: str, seconds: float = 60.0) -> None:
        """Start and wait until it is open. Raises InstanceFailed with what it said."""
        with self.log.open("ab") as log:
            start = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(ROOT / "server.py"), *self.arguments(), "run", *arguments),
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(seconds):
                while b" is open." not in self.log.read_bytes()[start:]:
                    if self.process.returncode is not None:
                        raise InstanceFailed(f"the hotline ended with {self.process.returncode}:\n{self.last_words()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise InstanceFailed(f"the hotline did not open within {seconds:g} s:\n{self.last_words()}") from None

    async def stop(self) -> int:
        """Ctrl-C, and wait; returns the exit code. Does nothing when it does not run."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), 60)

    async def kill(self) -> None:
        """SIGKILL the server alone; its Asterisk and Redis live on."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def pid(self, program: str) -> int:
        """The process id of a child: redis, asterisk or listening."""
        return int((self.data / "run" / f"{program}.pid").read_text(encoding="ascii").split()[0])

    def end_what_is_left(self) -> None:
        """Kill the children that a killed server left; for the end of a test that killed it."""
        for file in (self.data / "run").glob("*.pid"):
            if pid := running_pid(file):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def last_words(self, lines: int = 30) -> str:
        """The end of the server's output."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").split("\n")[-lines:])

    def sip_password(self, extension: str) -> str:
        """The password that was drawn for an agent's softphone."""
        return str(self._secrets()["agents"][extension]["sip_password"])

    def desk_password(self, extension: str) -> str:
        """The password that was drawn for an agent's sign-in."""
        return str(self._secrets()["agents"][extension]["desk_password"])

    def _secrets(self) -> Any:
        return yaml.safe_load((self.data / "secrets" / "agents.yaml").read_text(encoding="utf-8"))

    async def token(self, role: str = "supervisor") -> str:
        """An API token of this role, made once by `server.py token create`."""
        if role not in self._tokens:
            made = await asyncio.create_subprocess_exec(
                *(sys.executable, str(ROOT / "server.py"), *self.arguments(), "token", "create", "--role", role),
                env=_environment(),
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await made.communicate()
            if made.returncode != 0:
                raise InstanceFailed("server.py token create failed")
            self._tokens[role] = output.decode().strip().split("\n")[-1]
        return self._tokens[role]

    async def api(self, path: str, *, role: str = "supervisor") -> Any:
        """GET a path of the JSON API. Raises InstanceFailed when the answer is not 200."""
        headers = {"Authorization": f"Bearer {await self.token(role)}"}
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(10)) as session,
            session.get(self.web + path) as answer,
        ):
            if answer.status != 200:
                raise InstanceFailed(f"GET {path}: {answer.status} {await answer.text()}")
            return await answer.json()
