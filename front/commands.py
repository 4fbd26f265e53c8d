"""The commands of server.py. Rooms are imported inside the handlers: what a command does not need is not loaded,
and `run` must be able to set the environment first (server.py, _count_in)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from settings import ConfigurationError, Settings

if TYPE_CHECKING:
    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add(parsers: Parsers) -> None:
    """Add every command's parser; its `handler(arguments, settings)` returns the exit code."""
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

    from asr_models import commands as models
    from ivr import prompts
    from routing.dispatching import commands as dispatching
    from routing.knowledge import commands as knowledge
    from routing.law import commands as law
    from routing.life import commands as ticket
    from routing.linkage import commands as linkage
    from routing.people import commands as people
    from routing.secrecy import commands as secrecy
    from routing.statistics import commands as statistics
    from routing.watch import commands as watch

    models.add_parser(parsers)
    prompts.add_parser(parsers)
    law.add_parser(parsers)
    watch.add_parser(parsers)
    statistics.add_parser(parsers)
    ticket.add_parser(parsers)
    dispatching.add_parser(parsers)
    linkage.add_parser(parsers)
    secrecy.add_parser(parsers)
    knowledge.add_parser(parsers)
    people.add_parser(parsers)


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.running import ROLES, run

    roles = set(ROLES) if arguments.role == "all" else {role.strip() for role in arguments.role.split(",")}
    if unknown := roles - set(ROLES):
        raise ConfigurationError(f"--role {','.join(sorted(unknown))}: there are only {', '.join(ROLES)}")
    _log_to_stderr(verbose=arguments.verbose)
    own = ["--config", str(settings.config_dir), "--data", str(settings.data_dir)]
    for entry in arguments.set:
        own += ["--set", entry]
    _asyncio_run(run(settings, roles, own, as_child=arguments.child))
    return 0


def _asyncio_run(work: Any) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _log_to_stderr(*, verbose: bool) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
            if sys.stderr.isatty()
            else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from front.checking import check
    from ivr.asterisk_files import DIALPLANS

    _log_to_stderr(verbose=False)
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
