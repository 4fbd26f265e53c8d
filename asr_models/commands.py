"""`server.py models`: list, install, verify and change speech models."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from asr_models import installer, switching
from asr_models.catalogue import DEMO, Entry, choose, entries, entry, find, folder_of
from asr_models.demo_model import commands as demo_model
from asr_models.errors import InstallError, UnknownModelError

if TYPE_CHECKING:
    from settings import Settings


def add_actions(models: argparse.ArgumentParser) -> None:
    """Add the actions of `models`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = models.add_subparsers(required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="which models there are, and which are installed")
    listing.set_defaults(handler=_list)

    install = actions.add_parser("install", help="download a model, check it and put it into the data folder")
    install.add_argument("name", metavar="NAME", help="as `models list` shows it")
    install.add_argument("--from", dest="source", metavar="SOURCE", help="a zip file, or another http(s) address")
    install.add_argument("--sha256", type=_checksum, metavar="X", help="the archive's checksum, in place of ours")
    install.add_argument("--unverified", action="store_true", help="accept an archive of which no checksum is known")
    install.set_defaults(handler=_install)

    verify = actions.add_parser("verify", help="compare installed models with what was installed")
    verify.add_argument("name", metavar="NAME", nargs="?", help="one model; without it, all that are installed")
    verify.set_defaults(handler=_verify)

    use = actions.add_parser("use", help="let a running hotline use another model, without ending calls")
    use.add_argument("name", metavar="NAME", help="a model that is installed, or auto")
    use.add_argument("--language", type=_language, help="in place of the catalogue's: zh, en, ...")
    use.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for its loading (default: 300)")
    use.set_defaults(handler=_use)
    demo_model.add_actions(actions)


def _list(_: argparse.Namespace, settings: Settings) -> int:
    models_dir = settings.models_dir
    taken = choose("auto", models_dir)
    for known in entries():
        installed = find(known.name, models_dir)
        state = f"installed in {installed.folder}" if installed else "not installed"
        print(f"{known.name}  ({known.language}, {known.licence}, {_amount(known)})  {state}")
        print(f"    {known.note}")
    for name in _others(models_dir):
        print(f"{name}  (not of the catalogue)  installed in {models_dir / name}")
    print(f"`listening.model: auto` takes: {taken.name if taken else 'none, there is no usable model'}")
    return 0


def _install(args: argparse.Namespace, settings: Settings) -> int:
    try:
        wanted = entry(args.name)
        if args.sha256:
            # Whoever gives another checksum means another archive, of which our size says nothing.
            wanted = wanted.model_copy(update={"sha256": args.sha256, "size": None})
        if wanted.name == DEMO:
            print(f"'{DEMO}' is part of the program, there is nothing to install. {wanted.note}")
            return 0
        folder = installer.install(
            wanted, settings.models_dir, source=args.source, progress=_Shown(wanted), unverified=args.unverified
        )
    except (InstallError, UnknownModelError) as problem:
        print(f"not installed: {problem}", file=sys.stderr)
        return 1
    print(f"'{wanted.name}' is installed in {folder}. Speech recognition takes it at its next start.")
    return 0


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    models_dir = settings.models_dir
    known = [found.name for found in entries() if folder_of(found.name, models_dir).is_dir()]
    names = [args.name] if args.name else [*known, *_others(models_dir)]
    worst = 0
    for name in names:
        try:
            problems = installer.verify(name, models_dir)
        except (UnknownModelError, OSError) as problem:
            problems = [str(problem)]
        print(f"{name}: {'as it was installed' if not problems else 'NOT as it was installed'}")
        for line in problems:
            print(f"    {line}")
        worst = max(worst, 1 if problems else 0)
    return worst


def _use(args: argparse.Namespace, settings: Settings) -> int:
    async def ask() -> tuple[list[switching.Answer], int]:
        async with Redis.from_url(settings.redis_url, socket_timeout=10, socket_connect_timeout=3) as redis:
            return await switching.ask(redis, switching.Wish(model=args.name, language=args.language or ""), args.wait)

    try:
        answers, silent = asyncio.run(ask())
    except (RedisError, OSError) as problem:
        print(f"nothing has changed: the hotline's Redis cannot be reached ({problem}); does it run?", file=sys.stderr)
        return 1
    for answer in answers:
        if answer.problem:
            print(f"{answer.where}: nothing has changed: {answer.problem}", file=sys.stderr)
        else:
            before = f"'{answer.before}' did until now" if answer.before else "nothing did until now"
            print(
                f"{answer.where}: '{answer.model}' hears '{answer.language}' from now on ({before}); legs that go over "
                f"to it at their next pause: {answer.streams}"
            )
    if silent:
        print(f"{silent} more did not answer within {args.wait:.0f} s; the log says what became of it", file=sys.stderr)
    if not answers and not silent:
        print("nothing has changed: no recogniser is running (listening.enabled, --role listening)", file=sys.stderr)
    well = bool(answers) and not silent and not any(answer.problem for answer in answers)
    if well:
        print(f"To keep it for the next start, set listening.model to '{args.name}' in hotline.yaml.")
    return 0 if well else 1


def _others(models_dir: Path) -> list[str]:
    known = {found.name for found in entries()}
    if not models_dir.is_dir():
        return []
    names = sorted(path.name for path in models_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [name for name in names if name not in known]


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2}", text):
        raise argparse.ArgumentTypeError("a language has two small letters, such as zh or en")
    return text


def _checksum(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("a SHA-256 has 64 hexadecimal digits")
    return text.lower()


def _amount(known: Entry) -> str:
    if known.name == DEMO:
        return "part of the program"
    return f"{known.size / 1e6:.1f} MB to download" if known.size else "size and checksum not known"


class _Shown:
    """Progress as a line that is rewritten on a terminal, and as a line for each tenth elsewhere."""

    def __init__(self, wanted: Entry) -> None:
        self._name = wanted.name
        self._tenth = -1
        self._terminal = sys.stderr.isatty()

    def __call__(self, received: int, total: int | None) -> None:
        tenth = received * 10 // total if total else received // 50_000_000
        text = f"{self._name}: {received / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else "")
        if self._terminal:
            print(f"\r{text}", end="\n" if received == total else "", file=sys.stderr, flush=True)
        elif tenth != self._tenth:
            print(text, file=sys.stderr, flush=True)
        self._tenth = tenth
