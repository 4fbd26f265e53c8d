"""The command line as a whole: what a command loads, and that each one has its help."""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys

import pytest

from front import commands
from settings import ROOT

_LOOK = """
import sys, server
try:
    server.main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules)
"""

WHEN = ("--urgency", "normal", "--at", "2026-02-13T16:00:00+08:00")
CLOCK = ("--intent", "投诉", "--class", "non_urban_management", *WHEN, "--json")
ROOMS = [name for name, _, _ in commands._ROOMS]


def _loaded_by(*command: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LOOK, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(done.stdout.split("\n")[-2].split())
    assert "front.commands" in modules
    return modules


def test_nothing_counts_before_run_has_said_where() -> None:
    """prometheus_client reads where to count when it is imported; `run` knows where once its arguments are read."""
    assert "prometheus_client" not in _loaded_by("run", "--help")


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["law", "--help"],
        ["law", "clock", "yazhou", *CLOCK],
        ["law", "coverage"],
    ],
    ids=["help", "law help", "law clock", "law coverage"],
)
def test_the_law_is_told_without_loading_what_it_does_not_need(command: list[str]) -> None:
    """The database and the dictionaries take seconds to load; a clerk who asks for a limit does not wait for them."""
    assert not _loaded_by(*command) & {"sqlalchemy", "alembic", "pypinyin", "jieba"}


def test_help_loads_no_room() -> None:
    modules = _loaded_by("--help")
    assert not {name for name in modules if name.startswith(("routing", "ivr", "desk", "asr_models"))}


def _help(*command: str) -> str:
    server = argparse.ArgumentParser(prog="server.py")
    commands.add(server)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit) as done:
        server.parse_args([*command, "--help"])
    assert done.value.code == 0
    return shown.getvalue()


@pytest.mark.parametrize("command", ROOMS)
def test_every_command_has_its_room(command: str) -> None:
    """A room is named by a text: whether it is there, only asking for it shows."""
    shown = _help(command)
    assert shown.startswith(f"usage: server.py {command} ")
    assert len(shown.split("\n")) > 4


def test_the_help_of_an_action() -> None:
    assert _help("law", "clock").startswith("usage: server.py law clock ")
