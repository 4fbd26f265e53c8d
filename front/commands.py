"""The commands of server.py. A room is imported when one of its commands is asked for: what a command does not need
is not loaded, and `run` must be able to set the environment first (server.py, _count_in)."""

from __future__ import annotations

import argparse
import asyncio
import pkgutil
from pathlib import Path
from typing import Any

from settings import ConfigurationError, Settings

_ROOMS = (
    ("propose", "what the machine makes of a caller's words, as JSON", "routing.reading.commands:add_propose"),
    ("models", "speech models: list, install, verify, use another", "asr_models.commands:add_actions"),
    ("transcribe", "what a recording says, as JSON", "front.transcribing:add_transcribe"),
    ("prompts", "the spoken prompts: render, list", "ivr.prompts:add_actions"),
    ("law", "what the law sets: clocks, rules, their proofs; play a case", "routing.law.commands:add_actions"),
    (
        "watch",
        "limits: look once, the inbox, proposals and violations to decide",
        "routing.watch.commands:add_actions",
    ),
    (
        "statistics",
        "figures, rates, places, exports of a week, month or year",
        "routing.statistics.commands:add_actions",
    ),
    (
        "ticket",
        "tickets: show, list, open, dispatch, return, extend, submit, ...",
        "routing.life.commands:add_actions",
    ),
    (
        "advise",
        "units for a ticket, tickets like it, answers and opinions before",
        "routing.dispatching.commands:add_advise",
    ),
    (
        "direct",
        "dispatch accepted tickets that stand in the direct-dispatch list",
        "routing.dispatching.commands:add_direct",
    ),
    ("callbacks", "citizens to be called back, the most urgent first", "routing.dispatching.commands:add_callbacks"),
    (
        "clusters",
        "matters that come back month after month without effect",
        "routing.dispatching.commands:add_clusters",
    ),
    (
        "opinion",
        "final opinions of units: file, accept, reject, withdraw",
        "routing.dispatching.commands:add_opinion",
    ),
    ("appeal", "appeals of units: file, decide, tell, list", "routing.dispatching.commands:add_appeal"),
    (
        "nuisance",
        "evidence of nuisance calls for the police; it blocks nobody",
        "routing.dispatching.commands:add_nuisance",
    ),
    ("leaders", "sessions in which leaders answer calls", "routing.dispatching.commands:add_leaders"),
    ("linkage", "three-line linkage: rehearse a line, show one, figures", "routing.linkage.commands:add_actions"),
    ("keys", "the keys with which citizens' words are sealed: show, rotate, drop", "routing.secrecy.commands:add_keys"),
    ("secrecy", "confidentiality: mark, reveal, readings, releases", "routing.secrecy.commands:add_secrecy"),
    (
        "knowledge",
        "the knowledge base: search, list, import, publish, stale",
        "routing.knowledge.commands:add_actions",
    ),
    (
        "units",
        "units: people, changes to report, the chiefs' roster; import, export",
        "routing.people.commands:add_actions",
    ),
)
"""The commands of the rooms: name, one line for --help, and what adds the rest to the command's parser."""


class Command(argparse.ArgumentParser):
    """A command's parser. What `room` names (module:function) adds its arguments when the command is asked for."""

    def __init__(self, *arguments: Any, room: str = "", **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._room = room

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, after the room has added what it wants to read."""
        if self._room:
            add_arguments, self._room = pkgutil.resolve_name(self._room), ""
            add_arguments(self)
        return super().parse_known_args(args, namespace)


def add(server: argparse.ArgumentParser) -> None:
    """Add every command's parser to `server`; its `handler(arguments, settings)` returns the exit code."""
    parsers = server.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Command)
    run = parsers.add_parser("run", help="start the hotline in the foreground; Ctrl-C stops it")
    run.add_argument("--role", default="all", help="parts to run: bridge,listening,routing,clocks,desk (default: all)")
    run.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    run.add_argument("--verbose", action="store_true", help="log also what is of interest to developers only")
    run.set_defaults(handler=_run)

    check = parsers.add_parser("check", help="look over config/ and dialplans/ without touching a running hotline")
    check.add_argument("--dialplans", type=Path, default=None, help="another folder instead of dialplans/")
    check.set_defaults(handler=_check)

    call = parsers.add_parser("call", help="place a spoken call to a running hotline")
    call.add_argument("--say", required=True, help="what the caller says, in Chinese characters")
    call.add_argument("--from", dest="caller", default="13800138000", help="the caller's number")
    call.add_argument("--to", dest="called", default="12345", help="the number to dial")
    call.add_argument("--name", default="", help="the caller's name")
    call.add_argument("--wait", type=float, default=8.0, help="seconds of silence before speaking (default: 8)")
    call.add_argument("--seconds", type=float, default=30.0, help="hang up after so many seconds")
    call.set_defaults(handler=_call)

    demo = parsers.add_parser("demo", help="start a hotline, place a call, print its ticket, stop")
    demo.set_defaults(handler=_demo)

    token = parsers.add_parser("token", help="tokens for the JSON API")
    token_parsers = token.add_subparsers(dest="token_command", metavar="ACTION", required=True)
    create = token_parsers.add_parser("create", help="make a token and print it, once")
    create.add_argument("--role", required=True, help="what it may do: agent, supervisor, auditor, ...")
    create.add_argument("--note", default="", help="whom it is for")
    create.set_defaults(handler=_token_create)

    for name, explained, room in _ROOMS:
        parsers.add_parser(name, help=explained, room=room)


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.running import ROLES, run

    roles = set(ROLES) if arguments.role == "all" else {role.strip() for role in arguments.role.split(",")}
    if unknown := roles - set(ROLES):
        raise ConfigurationError(f"--role {','.join(sorted(unknown))}: there are only {', '.join(ROLES)}")
    own = ["--config", str(settings.config_dir), "--data", str(settings.data_dir)]
    for entry in arguments.set:
        own += ["--set", entry]
    _asyncio_run(run(settings, roles, own, as_child=arguments.child))
    return 0


def _asyncio_run(work: Any) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.checking import check
    from ivr.asterisk_files import DIALPLANS

    return asyncio.run(check(settings, arguments.dialplans or DIALPLANS))


def _call(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.demo import call

    return asyncio.run(call(arguments, settings))


def _demo(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.demo import demo

    return asyncio.run(demo(settings))


def _token_create(arguments: argparse.Namespace, settings: Settings) -> int:
    from desk.accounts import ROLES, create_token
    from routing.storage import Database, migrate

    if arguments.role not in ROLES:
        raise ConfigurationError(f"--role {arguments.role}: there is no such role; there are {', '.join(ROLES)}")

    async def create() -> str:
        await migrate(settings.database_url)
        database = Database(settings.database_url)
        try:
            return await create_token(database, arguments.role, arguments.note)
        finally:
            await database.close()

    print(asyncio.run(create()))
    return 0
