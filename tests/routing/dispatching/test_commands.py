"""What is told again, from the command line, on a real database: proposals, merging, callbacks, ratings, appeals."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import server

AGENT = ("--as", "王坐席", "--role", "agent")
OFFICE = ("--as", "赵主任", "--role", "center_office")
CLERK = ("--as", "周采编", "--role", "unit_clerk", "--unit", "yz.zhujian")
FORM = ("--field", "reasonable=合理合法", "--field", "solution=已修好")


class Prompt:
    """A shell in a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, what was printed, and what was said about errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = server.main(["--data", str(self._folder), *arguments])
            except SystemExit as left:
                code = int(left.code or 0)
        return code, out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> Any:
        """What a command prints as JSON; it must succeed."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, out + err
        return json.loads(out)

    def refused(self, *arguments: str) -> str:
        """The code of the error that a command prints as JSON."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 1, out + err
        return str(json.loads(out)["error"]["code"])

    def accepted(self, **values: str) -> str:
        """The id of a ticket that has been accepted."""
        fields = {"event": "路灯坏了", "place": "盐灶", "intent": "help", "matter": "street_lamp"} | values
        given = [part for name, value in fields.items() for part in ("--set-field", f"{name}={value}")]
        opened = self.json("ticket", "open", "--channel", "信函", *given, *AGENT)
        self.json("ticket", "accept", opened["id"], *AGENT)
        return str(opened["id"])


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return Prompt(tmp_path)


def test_a_matter_told_twice(prompt: Prompt) -> None:
    first = prompt.accepted()
    proposed = prompt.json("advise", first, *AGENT)
    assert [owner["unit"] for owner in proposed["owners"]["owners"]] == ["yz.zhujian", "yz.cun.yanzao"]
    assert proposed["direct"]["unit"] == "yz.zhujian" and proposed["like"] == []
    assert prompt.json("direct") == []  # Yazhou's list is only inferred
    assert [one["unit"] for one in prompt.json("direct", "--even-inferred")] == ["yz.zhujian"]
    assert prompt.json("direct", "--even-inferred") == []
    second = prompt.accepted(place="严造村口")
    proposed = prompt.json("advise", second, *AGENT)
    assert [like["ticket_id"] for like in proposed["like"]] == [first]
    assert proposed["direct"]["unit"] == ""
    assert prompt.json("ticket", "merge", second, "--into", first, *AGENT)["state"] == "merged"
    assert prompt.refused("ticket", "merge", second, "--into", first, *AGENT) == "illegal_transition"
    assert prompt.json("ticket", "unmerge", second, "--why", "另一盏", *AGENT)["state"] == "accepted"
    prompt.json("ticket", "merge", second, "--into", first, *AGENT)
    code, out, _ = prompt.run("advise", first, *AGENT)
    assert code == 0 and "主办  崖州区住房和城乡建设局  YZ-14(2)" in out
    assert prompt.refused("advise", first, *CLERK) == "not_allowed"

    prompt.json("ticket", "contact", first, "--note", "已联系", *CLERK)
    prompt.json("ticket", "sign", first, *CLERK)
    assert prompt.json("ticket", "submit", first, *FORM, *CLERK)["state"] == "under_review"
    assert prompt.json("ticket", "review", first, "--decision", "pass", *OFFICE)["state"] == "reviewed"
    due = prompt.json("callbacks", *AGENT)
    assert [one["ticket_id"] for one in due] == [first, second]
    assert prompt.refused("callbacks", *CLERK) == "not_allowed"
    reached = ("--outcome", "reached", "--solved", "solved")
    prompt.json("ticket", "call-back", first, *reached, "--rating", "result=满意", "--rating", "agent=非常满意", *AGENT)
    prompt.json("ticket", "call-back", second, *reached, *AGENT)
    assert prompt.json("callbacks", *AGENT) == []
    rate = ("ticket", "rate", first, "--about", "result", "--level", "满意", *AGENT)
    assert prompt.refused(*rate) == "too_many"
    assert prompt.refused("ticket", "rate", second, "--about", "result", "--level", "还行", *AGENT) == "bad_value"
    assert prompt.json("ticket", "archive", first, *AGENT)["state"] == "archived"


def test_what_yazhou_does_not_know_is_said(prompt: Prompt, tmp_path: Path) -> None:
    ticket = prompt.accepted()
    file = tmp_path / "proof.pdf"
    file.write_bytes(b"%PDF-1.7")
    appeal = ("appeal", "file", "archived_dissatisfied", "--grounds", "有理由", "--evidence", str(file))
    assert prompt.refused(*appeal, "--ticket", ticket, *CLERK) == "silent"
    opinion = ("opinion", "file", ticket, "--file", str(file), "--text", "x", "--basis", "y", "--signed-by", "z")
    assert prompt.refused(*opinion, *CLERK) == "silent"
    session = ("--from", "2026-03-02T09:00:00+08:00", "--until", "2026-03-02T11:00:00+08:00")
    assert prompt.refused("leaders", "plan", "--leader", "某", "--of-unit", "yz.zhifa", *session, *OFFICE) == "silent"
    assert prompt.refused("nuisance", "package", "c1", "--why", "骚扰", *OFFICE) == "silent"
    assert prompt.refused("ticket", "refuse-repeat", ticket, "--why", "没有新事实", *AGENT) == "missing"
    assert prompt.json("appeal", "list") == [] and prompt.json("clusters") == []
    code, _, err = prompt.run(
        "leaders", "plan", "--leader", "某", "--of-unit", "x", "--from", "今天", "--until", "明天"
    )
    assert code == 2 and "such as 2026-11-23T09:00:00+08:00" in err
    assert prompt.refused("advise", "nowhere", *AGENT) == "no_such_ticket"
