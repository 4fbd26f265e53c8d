"""The front door of the hotline: one command line, `server.py COMMAND`, each with its own --help.

run      start everything in the foreground        check    look over configuration and dialplan
call     place a call to a running hotline         demo     start, call, print the ticket, stop
models   speech models: list, install, use, ...    prompts  the spoken prompts: render, list
token    tokens for the JSON API                   law      what the law sets: clocks, rules, coverage
ticket   tickets: dispatch, return, extend, ...
watch    limits: look once, inbox, proposals       statistics  figures, places, exports
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import settings as configuration
from settings import ROOT, ConfigurationError, HotlineError, Settings


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 well, 1 it failed, 2 it was asked for wrongly."""
    from front import commands
    from front.logs import log_to_stderr

    parser = argparse.ArgumentParser(prog="server.py", description="The 12345 hotline.")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("HOTLINE_CONFIG", ROOT / "config")),
        help="configuration folder (HOTLINE_CONFIG; default: config/)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("HOTLINE_DATA", ROOT / "var")),
        help="data folder (HOTLINE_DATA; default: var/)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of hotline.yaml, such as ports.shift=100; may be given several times (HOTLINE_SET)",
    )
    commands.add(parser)
    arguments = parser.parse_args(argv)
    os.umask(0o077)  # recordings, transcripts, passwords: what we and our children write is for nobody else
    log_to_stderr(verbose=getattr(arguments, "verbose", False))  # what was asked for goes to standard output, alone
    try:
        return int(arguments.handler(arguments, _settings(arguments)))
    except HotlineError as problem:
        for line in str(problem).split("\n"):
            print(f"error: {line}", file=sys.stderr)
        return 1


def _settings(arguments: argparse.Namespace) -> Settings:
    overrides = {}
    for entry in [*os.environ.get("HOTLINE_SET", "").split(), *arguments.set]:
        key, equals, value = entry.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {entry}: must be KEY=VALUE, such as ports.shift=100")
        overrides[key] = value
    data = arguments.data.resolve()
    if arguments.command == "run":
        _count_in(data / "run" / "metrics")
    return configuration.load(arguments.config.resolve(), data, overrides)


def _count_in(folder: Path) -> None:
    """Let every process of one instance (the listening child has its own) count into one folder.

    prometheus_client reads this variable when it is imported, so it is set before any room is: front.commands
    imports none for `run` before its handler is called.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*_*.db"):  # such as counter_1234.db
        if not Path(f"/proc/{file.stem.rpartition('_')[2]}").exists():
            file.unlink(missing_ok=True)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(folder))


if __name__ == "__main__":
    sys.exit(main())
