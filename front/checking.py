"""`server.py check`: all of config/, and the dialplan as a scratch Asterisk reads it, on ports of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
from pathlib import Path

from front.ports import free_tcp_port, free_udp_ports
from ivr import asterisk_files, prompts
from ivr.ami import AmiClient, AmiError
from ivr.secrets import Secrets
from ivr.wire.ami import Message
from routing.dispatching.direct_list import load as load_direct_list
from routing.jurisdiction import load as load_jurisdiction
from routing.law.calendar import calendar_of
from routing.linkage.configuration import load as load_linkage
from settings import ConfigurationError, Ports, Settings

_PROBLEM = re.compile(r"^\[[^\]]*\] (?P<level>WARNING|ERROR)\[[^\]]*\][^:]*: (?P<text>.*)$", re.MULTILINE)
_STEP = re.compile(
    r"^ *(?:'[^']*' => +)?(?:\[[^\]]*\] )?(?P<priority>\d+)\. (?P<application>\w+)\(.*\[(?P<place>[^\]]+)\]$"
)
_CONTEXTS = (
    *("from-trunk", "inbound", "welcome", "notice", "waiting", "from-agents", "waiting-keys", "emergency", "rehearsal"),
    *("link-ask", "link-key", "link-menu", "link-desk", "link-caller", "link-agent", "link-line", "link-join"),
    *("link-wanted", "link-end", "link-over", "link-note", "link-whisper"),
)
"""What the bridge and the generated files rely on."""


async def check(settings: Settings, dialplans: Path) -> int:
    """Look over everything; prints what was looked at. Raises ConfigurationError with all that is wrong."""
    print(f"config/        {settings.config_dir}: well-formed")
    path = settings.jurisdiction_dir / f"{settings.hotline.jurisdiction}.yaml"
    jurisdiction = load_jurisdiction(path)
    members = len(jurisdiction.units) - len(jurisdiction.outside_units)
    print(
        f"jurisdiction   {path.name}: {members} member units, {len(jurisdiction.outside_units)} outside, "
        f"{len(jurisdiction.matters)} matters"
    )
    calendar = calendar_of(settings.config_dir / "calendars", jurisdiction)
    local = ", ".join(f"{name} {calendar.last_year}" for name in calendar.not_entered(calendar.last_year))
    print(
        f"calendar       {calendar.version}: working days to {calendar.last_day}"
        + (f"; local days not entered: {local}" if local else "")
    )
    listed = load_direct_list(settings.config_dir / "direct-dispatch.yaml", jurisdiction)
    if listed is not None:
        use = "only proposed: no authority has issued it" if listed.inferred else "dispatched without an agent"
        print(f"direct list    direct-dispatch.yaml: {len(listed.items)} items, {use}")
    linkage = load_linkage(settings.config_dir, [line.line for line in settings.lines.emergency_lines])
    print(
        f"linkage        {len(settings.lines.emergency_lines)} emergency lines, rehearsed daily at "
        f"{linkage.rehearsal.daily_at or 'no time'}; {len(linkage.stations)} stations are told by webhook"
    )
    _lines(settings)
    steps = await dialplan(settings, dialplans)
    print(f"dialplan       parsed by Asterisk; {steps} steps, every application known")
    return 0


def _lines(settings: Settings) -> None:
    """Say what the emergency lines lead to. Raises ConfigurationError when a prompt of one is missing."""
    file = settings.config_dir / "prompts.yaml"
    spoken = prompts.load(file).of("zh")
    recorded = settings.config_dir / "recordings" / "zh"
    missing = [
        f"{file}: zh lacks {name}, which is played for the emergency line {line.line} of lines.yaml"
        for line in settings.lines.emergency_lines
        for name in (f"hotline/{what}-{line.line}" for what in ("emergency", "unreachable", "line", "offer"))
        if name not in spoken and not (recorded / f"{name}.wav").exists()
    ]
    if missing:
        raise ConfigurationError("\n".join(missing))
    dials = {trunk.name for trunk in settings.lines.trunks if trunk.address}
    for line in settings.lines.emergency_lines:
        way = [f"{number} by {trunk}" for number, trunk in settings.lines.attempts(line) if trunk in dials]
        said = ", ".join(way) or "no trunk has an address: the number is read to the caller"
        print(f"line {line.line:<9} {said}")


async def dialplan(settings: Settings, dialplans: Path) -> int:
    """Let a scratch Asterisk read the dialplan; returns its number of steps.

    Raises ConfigurationError with one line per problem that Asterisk has with it (file and line as Asterisk
    names them), unknown applications and missing contexts.
    """
    with tempfile.TemporaryDirectory(prefix="hotline-check-", ignore_cleanup_errors=True) as folder:
        scratch = _scratch(settings, Path(folder))
        for name in ("sounds", "moh"):
            (Path(folder) / name).symlink_to(settings.data_dir / name)
            (settings.data_dir / name).mkdir(parents=True, exist_ok=True)
        secrets = Secrets(Path(folder), "check", *(dict.fromkeys(_extensions(settings), "check") for _ in range(2)))
        conf = asterisk_files.write(scratch, secrets, Path(folder) / "a", dialplans, with_console=True)
        output = Path(folder) / "output"
        with output.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                str(asterisk_files.program()),
                *("-f", "-C", str(conf)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            answers = await _ask(scratch, process, output)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        log = Path(folder) / "a" / "log" / "messages.log"
        problems = _complaints(log.read_text(encoding="utf-8", errors="replace") if log.exists() else "", Path(folder))
    steps, unknown = _steps(answers["dialplan show"], answers["core show applications"])
    problems += unknown
    shown = answers["dialplan show"]
    problems += [
        f"extensions.conf: the context [{name}] is missing; the hotline needs it"
        for name in _CONTEXTS
        if f"Context '{name}'" not in shown
    ]
    if problems:
        raise ConfigurationError("\n".join(f"{dialplans}: {problem}" for problem in problems))
    return steps


def _extensions(settings: Settings) -> list[str]:
    return [agent.extension for agent in settings.agents.agents]


def _scratch(settings: Settings, folder: Path) -> Settings:
    rtp = free_udp_ports(10)
    tcp = [free_tcp_port() for _ in range(5)]
    ports = Ports(
        sip=free_udp_ports(1),
        rtp_first=rtp,
        rtp_last=rtp + 9,
        ami=tcp[0],
        fastagi=tcp[1],
        http=tcp[2],
        audio=tcp[3],
        web=tcp[4],
    )
    asterisk = settings.hotline.asterisk.model_copy(update={"bind": "127.0.0.1", "external_address": None})
    hotline = settings.hotline.model_copy(update={"ports": ports, "asterisk": asterisk})
    # Without registrations: a check must not announce itself to a carrier.
    trunks = [trunk.model_copy(update={"register_server": None}) for trunk in settings.lines.trunks]
    lines = settings.lines.model_copy(update={"trunks": trunks})
    return settings.model_copy(update={"hotline": hotline, "lines": lines, "data_dir": folder})


async def _ask(settings: Settings, process: asyncio.subprocess.Process, output: Path) -> dict[str, str]:
    up, booted = asyncio.Event(), asyncio.Event()

    async def on_up() -> None:
        up.set()

    def on_event(message: Message) -> None:
        if message.event == "FullyBooted":
            booted.set()

    ami = AmiClient(
        "127.0.0.1",
        settings.hotline.ports.ami,
        settings.hotline.asterisk.ami_user,
        "check",
        on_event=on_event,
        on_up=on_up,
        longest_pause=0.3,
        quiet=True,
    )
    ami.start()
    ended = asyncio.create_task(process.wait())
    ready = asyncio.create_task(booted.wait())
    try:
        await asyncio.wait({ended, ready}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if not (up.is_set() and booted.is_set()):
            words = " / ".join(output.read_text(encoding="utf-8", errors="replace").strip().split("\n")[-3:])
            raise ConfigurationError(f"Asterisk does not start with this configuration: {words[-500:]}")
        answers = {}
        for command in ("dialplan show", "core show applications"):
            reply = await ami.request("Command", [("Command", command)], timeout=10)
            answers[command] = "\n".join(reply.get_all("Output"))
        return answers
    except AmiError as problem:
        raise ConfigurationError(f"Asterisk does not answer with this configuration: {problem}") from problem
    finally:
        await ami.close()
        for task in (ended, ready):
            task.cancel()


def _complaints(log: str, folder: Path) -> list[str]:
    etc = str(folder / "a" / "etc") + "/"
    return [f"{m['level'].lower()}: {m['text'].replace(etc, '')}" for m in _PROBLEM.finditer(log)]


def _steps(shown: str, listed: str) -> tuple[int, list[str]]:
    known = {line.split(":")[0].strip().lower() for line in listed.split("\n") if ":" in line}
    steps, unknown = 0, []
    for line in shown.split("\n"):
        if step := _STEP.match(line.rstrip()):
            steps += 1
            if step["application"].lower() not in known:
                unknown.append(
                    f"{step['place']}: there is no application '{step['application']}' "
                    "(a typing error, or its module is not in modules.conf)"
                )
    return steps, unknown
