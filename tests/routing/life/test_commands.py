"""`server.py ticket ...` on a real database: a ticket from the letter to the review, and clear errors on the way."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import server
from routing.life.verbs import VERBS

AGENT = ("--as", "王坐席", "--role", "agent")
OFFICE = ("--as", "赵主任", "--role", "center_office")
CLERK = ("--as", "周采编", "--role", "unit_clerk", "--unit", "yz.zhujian")


class Prompt:
    """A shell in a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, what was printed, and what was said about errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = server.main(["--data", str(self._folder), "ticket", *arguments])
            except SystemExit as left:
                code = int(left.code or 0)
        return code, out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> Any:
        """What a command prints as JSON; it must succeed."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, out + err
        return json.loads(out)

    def refused(self, *arguments: str) -> dict[str, str]:
        """The error that a command prints as JSON."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 1, out + err
        error: dict[str, str] = json.loads(out)["error"]
        return error


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return Prompt(tmp_path)


def test_a_ticket_from_the_command_line(prompt: Prompt) -> None:
    opened = prompt.json(
        *("open", "--channel", "信函", "--set-field", "event=路灯坏了", "--set-field", "place=保港"),
        *("--set-field", "intent=complaint", *AGENT),
    )
    serial = opened["serial"]
    assert [one["serial"] for one in prompt.json("list", *AGENT)] == [serial]
    accepted = prompt.json("accept", serial, "--class", "urban_management", *AGENT)
    assert (accepted["state"], accepted["scope"], accepted["version"]) == ("accepted", "YZ-11-7", 2)
    assert prompt.refused("dispatch", serial, "--lead", "yz.nobody", *AGENT)["field"] == "lead"
    assert prompt.refused("dispatch", serial, "--lead", "yz.zhujian", "--version", "1", *AGENT)["code"] == (
        "ticket_changed"
    )
    prompt.json("dispatch", serial, "--lead", "yz.zhujian", *AGENT)
    assert [one["serial"] for one in prompt.json("list", *CLERK)] == [serial]
    assert prompt.json("list", *CLERK[:-1], "yz.zhifa") == []
    refused = prompt.refused("sign", serial, *CLERK[:-1], "yz.zhifa")
    assert (refused["code"], refused["rule"]) == ("not_allowed", "YZ-24")
    prompt.json("contact", serial, "--note", "已联系", *CLERK)
    prompt.json("sign", serial, *CLERK)
    prompt.json("extend", serial, "--amount", "48h", "--reason", "等配件", *CLERK)
    assert prompt.json("decide-extension", serial, "--decision", "grant", *OFFICE)["extensions"] == 1
    assert prompt.refused("submit", serial, *CLERK)["field"] == "form.finding"
    submitted = prompt.json(
        *("submit", serial, "--field", "finding=不属实", "--field", "explanation=路灯正常，已向诉求人说明", *CLERK)
    )
    assert submitted["state"] == "under_review"
    assert prompt.json("review", serial, "--decision", "pass", *OFFICE)["state"] == "reviewed"
    shown = prompt.json("show", opened["id"], *AGENT)
    assert shown["fields"]["event"] == "路灯坏了" and shown["state_name"] == "已复核，待回访"
    assert {one["kind"]: one["state"] for one in shown["clocks"]}["complete"] == "met"
    assert [one["after"] for one in shown["history"] if one["field"] == "state"][-1] == "reviewed"
    code, text, _ = prompt.run("show", serial, *AGENT)
    assert code == 0 and "崖州区住房和城乡建设局" in text and "路灯坏了" in text
    assert prompt.json("recalculate")["moved"] == 0


def test_errors_say_what_would_be_right(prompt: Prompt) -> None:
    code, _, err = prompt.run("show", "YZ20260101000001", *AGENT)
    assert (code, err) == (1, "error: no_such_ticket: 没有编号为 YZ20260101000001 的工单（ticket）\n")
    code, _, err = prompt.run("list", "--as", "某人", "--role", "wizard")
    assert code == 2 and "unit_clerk" in err
    code, _, err = prompt.run("extend", "x", "--amount", "5y", "--reason", "x", *CLERK)
    assert code == 2 and "5wd" in err
    assert prompt.refused("list", *AGENT, "--state", "lost")["field"] == "state"
    assert prompt.refused("list", *AGENT, "--limit", "0")["field"] == "limit"
    assert prompt.refused("list", "--as", "某人", "--role", "unit_clerk")["code"] == "not_allowed"


def test_every_act_has_its_help(prompt: Prompt) -> None:
    for verb in VERBS:
        code, out, _ = prompt.run(verb.name, "--help")
        assert code == 0 and verb.name in out
