"""Asterisk's configuration folder, made from dialplans/ (as it stands) and config/ (through templates)."""

from __future__ import annotations

import shutil
from pathlib import Path

import jinja2

from ivr.secrets import Secrets
from settings import ROOT, ConfigurationError, Settings

DIALPLANS = ROOT / "dialplans"
PREFIX = ROOT / ".asterisk"

AMI_EVENTS = (
    # Only what the bridge uses is sent to it. A name must be listed here to be seen (manager.conf, eventfilter).
    "FullyBooted",
    "Shutdown",
    "UserEvent",
    "QueueCallerJoin",
    "AgentCalled",
    "AgentConnect",
    "AgentComplete",
    "Hangup",
    "OriginateResponse",
    "DialState",
    "CoreShowChannel",
    "CoreShowChannelsComplete",
    "DBGetTreeResponse",
    "DBGetTreeComplete",
)


def program() -> Path:
    """The start script that set-up made. Raises ConfigurationError when set-up has not run."""
    run = PREFIX / "run"
    if not run.exists():
        raise ConfigurationError(f"{run}: Asterisk is not set up; run `make setup`")
    return run


def _in_prefix(name: str) -> Path:
    return PREFIX / (PREFIX / name).read_text(encoding="utf-8").strip()


def write(
    settings: Settings, secrets: Secrets, folder: Path, dialplans: Path = DIALPLANS, *, with_console: bool = False
) -> Path:
    """Write the whole configuration below `folder` (etc, lib, spool, run, log); returns its asterisk.conf.

    `with_console`: let the AMI user run console commands (for the scratch Asterisk of `check` only).

    Raises ConfigurationError when a template of dialplans/ is wrong.
    """
    etc = folder / "etc"
    for part in (etc / "from-config", folder / "lib" / "keys", folder / "spool", folder / "run", folder / "log"):
        part.mkdir(parents=True, exist_ok=True)
    settings.recordings_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _link_data(settings, folder)

    for old in etc.glob("*.conf"):
        old.unlink()
    for source in sorted(dialplans.glob("*.conf")):
        shutil.copyfile(source, etc / source.name)
    hotline = settings.hotline
    values = {
        "etc": etc,
        "var": folder,
        "run_dir": folder / "run",
        "data": folder / "data",
        "modules_dir": _in_prefix("modules-dir"),
        "node": "hotline",
        "ports": hotline.ports,
        "call": hotline.call,
        "bind": hotline.asterisk.bind,
        "external_address": hotline.asterisk.external_address,
        "server_host": hotline.asterisk.server_host,
        "recordings": settings.recordings_dir,
        "default_queue": settings.lines.numbers[0].queue,
        "numbers": settings.lines.numbers,
        "trunks": settings.lines.trunks,
        "lines": settings.lines.emergency_lines,
        "attempts": {line.line: settings.lines.attempts(line) for line in settings.lines.emergency_lines},
        "line_features": "#".join(f"link{line.line}" for line in settings.lines.emergency_lines),
        "emergency_key": settings.lines.emergency_key,
        "emergency_default": settings.lines.emergency_default,
        "offer_seconds": settings.lines.offer_seconds,
        "a_trunk_is_local": any(trunk.is_local for trunk in settings.lines.trunks),
        "agents": settings.agents.agents,
        "queues": settings.queues.queues,
        "passwords": secrets.sip_passwords,
        "ami_user": hotline.asterisk.ami_user,
        "ami_secret": secrets.ami_secret,
        "ami_bind": "127.0.0.1",
        "ami_permit": ["127.0.0.1/32"],
        "events": AMI_EVENTS,
        "with_console": with_console,
    }
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(dialplans / "from-config"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - these are Asterisk files, not HTML; the models refuse what would end a line
    )
    at_the_top = ("asterisk", "manager", "rtp", "http")
    for template in sorted((dialplans / "from-config").glob("*.conf.j2")):
        name = template.name.removesuffix(".j2")
        try:
            text = templates.get_template(template.name).render(values)
        except jinja2.TemplateSyntaxError as problem:
            raise ConfigurationError(f"{template}:{problem.lineno}: {problem.message}") from problem
        except jinja2.UndefinedError as problem:
            raise ConfigurationError(f"{template}: {problem.message}") from problem
        target = etc / name if name.removesuffix(".conf") in at_the_top else etc / "from-config" / name
        target.write_text(text, encoding="utf-8")
        if name in ("manager.conf", "pjsip.conf"):
            target.chmod(0o600)  # passwords
    return etc / "asterisk.conf"


def _link_data(settings: Settings, folder: Path) -> None:
    """astdatadir: our sounds and melody, and Asterisk's own documentation where the packages have it."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    for name in ("sounds", "moh"):
        (settings.data_dir / name).mkdir(parents=True, exist_ok=True)
    for name, target in (
        ("sounds", settings.data_dir / "sounds"),
        ("moh", settings.data_dir / "moh"),
        ("documentation", _in_prefix("data-dir") / "documentation"),
        ("rest-api", _in_prefix("data-dir") / "rest-api"),
    ):
        link = data / name
        if link.is_symlink():
            link.unlink()
        link.symlink_to(target)
