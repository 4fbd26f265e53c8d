"""The emergency lines of lines.yaml: what is refused, with its place and reason, and what is dialled in which order."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import settings
from ivr import prompts
from settings import ROOT, ConfigurationError, Settings

LINES = """numbers:
  - {number: "12345", name: x, queue: general}
  - {number: "88840001", name: y, queue: general}
trunks:
  - {name: a, match: [127.0.0.1]}
  - {name: b, address: "203.0.113.7"}
emergency_lines:
  - line: "119"
    name: 消防
    targets:
      - {number: "119", trunks: [a, b]}
      - {number: "08988650119", trunks: [b]}
  - line: "110"
    name: 公安
    targets:
      - {number: "110", trunks: [b]}
"""


def load(folder: Path, text: str = LINES) -> Settings:
    """settings.load with this lines.yaml."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config, dirs_exist_ok=True)
    (config / "lines.yaml").write_text(text, encoding="utf-8")
    return settings.load(config, Path("d"))


def test_attempts_are_in_the_order_of_targets_and_trunks(tmp_path: Path) -> None:
    lines = load(tmp_path).lines
    line = lines.line("119")
    assert line is not None
    assert lines.attempts(line) == [("119", "a"), ("119", "b"), ("08988650119", "b")]
    assert lines.line("118") is None


def test_another_lines_targets_come_after_its_own_each_once(tmp_path: Path) -> None:
    text = LINES.replace('line: "119"', 'line: "119"\n    otherwise: "110"').replace("08988650119", "110")
    lines = load(tmp_path, text).lines
    line = lines.line("119")
    assert line is not None
    assert lines.attempts(line) == [("119", "a"), ("119", "b"), ("110", "b")]


WRONG = {
    "empty number": ('{number: "110"', '{number: ""', r"lines.yaml:16: emergency_lines\[1\].targets\[0\].number: .*''"),
    "no targets": (
        '    targets:\n      - {number: "110", trunks: [b]}',
        "    targets: []",
        r"lines.yaml:15: emergency_lines\[1\].targets",
    ),
    "text as a number": (
        '{number: "110"',
        '{number: "1 10,${X}"',
        r"targets\[0\].number: '1 10,\$\{X\}' is not a telephone",
    ),
    "unknown trunk": ("trunks: [a, b]", "trunks: [a, c]", r"lines.yaml:11: .*trunks\[1\]: there is no trunk 'c'.*a, b"),
    "no trunk": ("trunks: [a, b]", "trunks: []", r"lines.yaml:11: emergency_lines\[0\].targets\[0\].trunks"),
    "a trunk twice": ("trunks: [a, b]", "trunks: [a, a]", r"lines.yaml:11: .*trunks: a trunk is there twice"),
    "the same target twice": ("08988650119", "119", r"lines.yaml:11: .*'119' by the same trunk is there twice"),
    "a line twice": ('line: "110"', 'line: "119"', r"lines.yaml:1: emergency_lines: '119' is there twice"),
    "no line": (
        'line: "110"',
        'line: "*110"',
        r"lines.yaml:13: emergency_lines\[1\].line: '\*110' is not an emergency line",
    ),
    "our number as a line": ('line: "110"', 'line: "12345"', r"lines.yaml:13: .*\.line: '12345' is the hotline's own"),
    "back to the hotline": (
        '{number: "110"',
        '{number: "12345"',
        r"lines.yaml:16: .*number: '12345' is the hotline's own",
    ),
    "back by the area code": ("08988650119", "089888840001", r"lines.yaml:12: .*is the hotline's own number 88840001"),
    "back from abroad": ("08988650119", "+8689812345", r"lines.yaml:12: .*is the hotline's own number 12345"),
    "back to an agent": ('{number: "110"', '{number: "8001"', r"lines.yaml:16: .*'8001' is an agent's extension"),
    "our own address": (
        "203.0.113.7",
        "127.0.0.1:5060",
        r"lines.yaml:6: trunks\[1\].address: .*this hotline itself listens",
    ),
    "our own address by its name": ("203.0.113.7", "localhost", r"lines.yaml:6: trunks\[1\].address: .*itself listens"),
    "no address": ("203.0.113.7", "203.0.113.7 ;x", r"lines.yaml:6: trunks\[1\].address: "),
    "a trunk for nothing": (
        "{name: a, match: [127.0.0.1]}",
        "{name: a}",
        r"lines.yaml:5: .*neither match .* nor address",
    ),
    "to itself": (
        'line: "119"',
        'line: "119"\n    otherwise: "119"',
        r"otherwise: the lines go in a circle: 119 -> 119",
    ),
    "to nowhere": ('line: "119"', 'line: "119"\n    otherwise: "120"', r"otherwise: there is no emergency line '120'"),
    "an unknown default": (
        "numbers:",
        'emergency_default: "120"\nnumbers:',
        r"lines.yaml:1: emergency_default: there is no",
    ),
    "a default that no key leads to": (
        "numbers:",
        'emergency_default: "110"\nnumbers:',
        r"line 110 .* needs a caller_key",
    ),
    "a test number that leads back": (
        'line: "110"',
        'line: "110"\n    test: {number: "12345", trunks: [b]}',
        r"emergency_lines\[1\].test.number: '12345' is the hotline's own",
    ),
    "no time to ring": ('line: "110"', 'line: "110"\n    ring_seconds: 0', r"emergency_lines\[1\].ring_seconds: .*0"),
    "no key": ('line: "110"', 'line: "110"\n    caller_key: "*"', r"emergency_lines\[1\].caller_key: "),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_lines_are_refused_with_place_and_reason(tmp_path: Path, name: str) -> None:
    old, new, told = WRONG[name]
    assert LINES.count(old) >= 1
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, LINES.replace(old, new, 1))
    assert re.search(told, str(refused.value)), str(refused.value)


@pytest.mark.parametrize("number", ["0898123456", "38812345", "112345", "08988812345", "123450"])
def test_a_number_that_only_looks_like_ours_is_not(tmp_path: Path, number: str) -> None:
    load(tmp_path, LINES.replace("08988650119", number))


def test_what_is_shipped_has_a_prompt_for_each_line() -> None:
    shipped = settings.load(ROOT / "config", Path("d")).lines
    spoken = prompts.load(ROOT / "config" / "prompts.yaml").of("zh")
    assert [line.line for line in shipped.emergency_lines] == ["110", "119", "120", "122", "114", "12388"]
    for line in shipped.emergency_lines:
        for name in ("emergency", "unreachable", "line", "offer"):
            assert f"hotline/{name}-{line.line}" in spoken
