"""`server.py propose`: one JSON object a line, whatever comes in; what was asked wrongly is said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settings import ROOT

KEYS = {
    "scope",
    "refuse_ground",
    "line",
    "lines",
    "place",
    "time",
    "persons",
    "callback_number",
    "demand",
    "matters",
}
MATTER_KEYS = {"matter", "intent", "urgency", "class", "units", "territorial", "words", "confidence"}
AT = ("--at", "2026-11-21T14:05")


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "server.py", "propose", *arguments]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, check=False)


def proposed(*arguments: str, given: bytes = b"") -> list[dict[str, Any]]:
    done = run(*arguments, given=given)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_everything_that_a_caller_said() -> None:
    (told,) = proposed(
        "--text", "我姓符要匿名水南村三组的路灯昨天晚上开始不亮了麻烦尽快来修我的电话是幺三八零零零零幺二三四", *AT
    )
    assert set(told) == KEYS
    assert told["scope"] == "accept"
    assert (told["refuse_ground"], told["line"], told["lines"]) == (None, None, [])
    assert told["place"]["unit"] == told["place"]["id"] == "yz.cun.shuinan"
    assert told["place"]["value"] == "水南村三组"
    assert told["time"]["value"] == "2026-11-20 夜间 起"
    assert told["persons"][0]["value"] == "姓符"
    assert told["persons"][0]["wishes"] == ["anonymous"]
    assert told["callback_number"] == "13800001234"
    assert "尽快" in told["demand"]["value"]
    (matter,) = told["matters"]
    assert set(matter) == MATTER_KEYS
    assert matter["matter"] == "street_lamp"
    assert (matter["intent"], matter["urgency"], matter["class"]) == ("help", "normal", "urban_management")
    assert matter["units"][0] == "yz.zhujian"
    assert len(matter["units"]) >= 3
    assert matter["territorial"] == "yz.cun.shuinan"
    assert any("路灯" in word for word in matter["words"])
    assert 0 < matter["confidence"] <= 1


def test_danger_goes_to_its_lines() -> None:
    (told,) = proposed("--text", "我家隔壁着火了里面还有人没出来", *AT)
    assert told["scope"] == "transfer_emergency"
    assert told["line"] == told["lines"][0] == "119"
    assert "120" in told["lines"]
    assert told["matters"][0]["urgency"] == "guide"


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "standard-input"])
def test_a_text_a_line_an_object_a_line(as_file: bool, tmp_path: Path) -> None:
    lines = "\ufeff停水两天了\r\n\n路灯坏了\n喂你好".encode()
    file = tmp_path / "calls.txt"
    file.write_bytes(lines)
    told = proposed("--file", str(file) if as_file else "-", *AT, given=b"" if as_file else lines)
    matters = [[one["matter"] for one in each["matters"]] for each in told]
    assert matters == [["water_supply"], [], ["street_lamp"], []]
    assert [each["scope"] for each in told] == ["accept", "clarify", "accept", "clarify"]


def test_the_rules_of_another_jurisdiction() -> None:
    (told,) = proposed("--text", "我要举报镇长受贿", "--jurisdiction", "yangling", *AT)
    assert told["scope"] in {"accept", "refuse"}
    (told,) = proposed("--text", "我要举报村书记贪污受贿", "--jurisdiction", "yazhou", *AT)
    assert told["scope"] == "accept"
    assert told["matters"][0]["units"][0] == "yz.jiwei"


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["--text", "路灯", "--jurisdiction", "nowhere"], b"", "there is none of this name (there are: qionghai,"),
        (["--text", "路灯", "--at", "yesterday"], b"", "is not a time such as 2026-11-21T14:05"),
        (["--file", "no/such/file"], b"", "--file no/such/file: No such file or directory"),
        (["--file", "."], b"", "--file .: Is a directory"),
        (["--file", "-"], b"\xff\xfe", "--file standard input:1: byte 1 is not UTF-8"),
        ([], b"", "one of the arguments --text --file is required"),
    ],
    ids=["jurisdiction", "time", "no-file", "folder", "not-utf-8", "nothing"],
)
def test_what_was_asked_wrongly_is_said_in_one_line(arguments: list[str], given: bytes, said: str) -> None:
    done = run(*arguments, given=given)
    assert done.returncode == 2
    assert done.stdout == b""
    last = done.stderr.decode().splitlines()[-1]
    assert said in last
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("text", ["", " ", "[unk] [unk]", "\x00", "A" * 10_000, "路灯不亮" * 2_500, "😀🔥"])
def test_whatever_comes_in_an_object_comes_out(text: str) -> None:
    (told,) = proposed("--file", "-", *AT, given=text.encode() + b"\n")
    assert set(told) == KEYS
    assert "unk" not in json.dumps(told)


def test_only_what_is_needed_is_loaded() -> None:
    look = "import sys, server\nserver.main(sys.argv[1:])\nprint(*sys.modules)"
    command = [sys.executable, "-c", look, "propose", "--text", "路灯坏了"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"sqlalchemy", "alembic", "redis", "vosk", "fastapi"}
