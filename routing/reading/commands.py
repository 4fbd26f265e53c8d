"""`server.py propose`: what the machine makes of a caller's words. Needs no database and no running hotline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from routing.jurisdiction import Jurisdiction, load
from routing.reading.account import account
from routing.reading.spoken import Heard

if TYPE_CHECKING:
    from settings import Settings

STANDARD_INPUT = "-"


class AskedWrongly(Exception):
    """A value on the command line that means nothing here; the message says which would."""


def add_propose(propose: argparse.ArgumentParser) -> None:
    """Add the arguments of `propose`; the parsed ones then have `handler`, (args, settings) -> exit code."""
    source = propose.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="what a caller says")
    source.add_argument("--file", metavar="FILE", help="a caller's words on every line, UTF-8; - reads standard input")
    propose.add_argument(
        "--at",
        type=_moment,
        default=None,
        metavar="TIME",
        help="when the call came, such as 2026-11-21T14:05; without a zone, the jurisdiction's time (default: now)",
    )
    propose.add_argument(
        "--jurisdiction", default="", metavar="ID", help="a file in config/jurisdictions/ (default: the hotline's own)"
    )
    propose.set_defaults(handler=_propose)


def _propose(arguments: argparse.Namespace, settings: Settings) -> int:
    """One JSON object a line on stdout, as soon as it is known; exit code 2 when it was asked for wrongly."""
    try:
        jurisdiction = _jurisdiction(settings, arguments.jurisdiction or settings.hotline.jurisdiction)
        at = arguments.at or datetime.now(jurisdiction.zone)
        if at.tzinfo is None:
            at = at.replace(tzinfo=jurisdiction.zone)
        texts = [arguments.text] if arguments.text is not None else _lines(arguments.file)
        for text in texts:
            told = account([Heard(1, "caller", text, at)], jurisdiction, at)
            print(json.dumps(told, ensure_ascii=False), flush=True)
    except AskedWrongly as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _lines(name: str) -> Iterator[str]:
    """The lines of a file, each when it is there; an empty one is a caller who says nothing."""
    shown = "standard input" if name == STANDARD_INPUT else name
    try:
        with open(sys.stdin.fileno() if name == STANDARD_INPUT else name, "rb", closefd=name != STANDARD_INPUT) as file:
            for number, line in enumerate(file, start=1):
                yield _decoded(line, f"{shown}:{number}")
    except OSError as problem:
        raise AskedWrongly(f"--file {shown}: {problem.strerror or problem}") from problem


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8").removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as problem:
        raise AskedWrongly(f"--file {where}: byte {problem.start + 1} is not UTF-8; the text must be UTF-8") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time such as 2026-11-21T14:05") from None


def _jurisdiction(settings: Settings, name: str) -> Jurisdiction:
    known = sorted(file.stem for file in settings.jurisdiction_dir.glob("*.yaml"))
    if name not in known:
        raise AskedWrongly(f"--jurisdiction {name}: there is none of this name (there are: {', '.join(known)})")
    return load(settings.jurisdiction_dir / f"{name}.yaml")
