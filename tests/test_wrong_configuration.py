"""Wrong configuration of each kind: one clear message that names the place, exit code not 0, nothing half started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from front.ports import free_tcp_port
from settings import ROOT

Change = Callable[[Path], None]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: its names are too long for the Unix sockets of a data folder.
    with tempfile.TemporaryDirectory(prefix="hotline-c-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "config", folder / "config")
        yield folder


def server(folder: Path, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run server.py on this folder's configuration."""
    command = [sys.executable, str(ROOT / "server.py"), "--config", str(folder / "config"), "--data", str(folder / "d")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOTLINE_")}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=seconds, env=environment, check=False
    )


def replaced(file: str, old: str, new: str) -> Change:
    """A change of one place in one file of config/."""

    def change(config: Path) -> None:
        path = config / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not hold {old!r} any more"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def removed(file: str) -> Change:
    """A file of config/ that is not there."""
    return lambda config: (config / file).unlink()


def appended(file: str, text: str) -> Change:
    """Something more at the end of a file."""
    return lambda config: (config / file).write_bytes(
        (config / file).read_bytes() + text.encode("utf-8", "surrogateescape")
    )


WRONG: list[tuple[str, Change, list[str]]] = [
    ("missing file", removed("queues.yaml"), ["queues.yaml", "missing"]),
    ("missing jurisdiction", removed("jurisdictions/yazhou.yaml"), ["yazhou.yaml", "missing"]),
    ("unknown key", appended("hotline.yaml", "\ncolour: red\n"), ["hotline.yaml:", "colour", "not known"]),
    ("unknown key below", replaced("hotline.yaml", "  sip: 5060", "  spi: 5060"), ["hotline.yaml:", "ports.spi"]),
    ("key twice", appended("hotline.yaml", "\nname: x\n"), ["hotline.yaml:", "name", "twice"]),
    ("not yaml", appended("agents.yaml", "\n  - {extension: [\n"), ["agents.yaml:", "not valid YAML"]),
    ("not utf-8", appended("queues.yaml", "# \udcff\n"), ["queues.yaml", "cannot be read"]),
    ("bad number", replaced("hotline.yaml", "sip: 5060", "sip: fifty"), ["hotline.yaml:", "ports.sip", "fifty"]),
    ("number out of range", replaced("hotline.yaml", "sip: 5060", "sip: 70000"), ["ports.sip", "65535"]),
    ("two parts on one port", replaced("hotline.yaml", "web: 8080", "web: 9092"), ["9092", "audio", "web"]),
    ("sip inside rtp", replaced("hotline.yaml", "sip: 5060", "sip: 10500"), ["10500", "RTP"]),
    (
        "a queue that does not exist",
        replaced("agents.yaml", "[general]", "[special]"),
        ["agents.yaml:", "special", "general"],
    ),
    (
        "a number's queue",
        replaced("lines.yaml", "queue: general", "queue: none"),
        ["lines.yaml:", "numbers[0].queue", "none"],
    ),
    ("not a telephone number", replaced("lines.yaml", '"12345"', '"12345;x"'), ["numbers[0].number", "12345;x"]),
    (
        "an emergency line without a number",
        replaced("lines.yaml", '{number: "119", trunks', '{number: "", trunks'),
        ["lines.yaml:", "emergency_lines[1].targets[0].number", "not a telephone number"],
    ),
    (
        "emergency lines in a circle",
        replaced("lines.yaml", 'caller_key: "0"', 'otherwise: "122"'),
        ["lines.yaml:", "emergency_lines[0].otherwise", "110 -> 122 -> 110"],
    ),
    (
        "an emergency line that leads back",
        replaced("lines.yaml", '{number: "120", trunks', '{number: "089812345", trunks'),
        ["lines.yaml:", "emergency_lines[2].targets[0].number", "the hotline's own number 12345"],
    ),
    ("an agent twice", replaced("agents.yaml", '"8002"', '"8001"'), ["agents.yaml", "8001", "twice"]),
    ("not an address", replaced("lines.yaml", "127.0.0.1", "127.0.0.x"), ["lines.yaml:", "match", "127.0.0.x"]),
    ("no agents", lambda c: (c / "agents.yaml").write_text("agents: []\n"), ["agents.yaml", "agents"]),
    ("a list instead of keys", lambda c: (c / "agents.yaml").write_text("- 1\n"), ["agents.yaml:1", "keys"]),
]


@pytest.mark.parametrize(("change", "told"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_configuration_is_refused_with_its_place(folder: Path, change: Change, told: list[str]) -> None:
    change(folder / "config")
    for command in ("check", "run"):
        result = server(folder, command)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        lines = [line for line in result.stderr.split("\n") if line.startswith("error: ")]
        assert len(lines) == 1, result.stderr
        assert all(word in lines[0] for word in told), lines[0]
    assert not (folder / "d" / "hotline.db").exists() and not list(folder.glob("d/run/*.pid"))


def test_a_unit_that_does_not_exist(folder: Path) -> None:
    path = folder / "config" / "jurisdictions" / "yazhou.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("yz.zhujian]", "yz.nowhere]", 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    result = server(folder, "check")
    assert result.returncode == 1
    assert "yz.nowhere" in result.stderr and "yazhou.yaml:" in result.stderr


@pytest.mark.parametrize("port", ["web", "fastagi", "audio", "ami", "sip"])
def test_a_port_in_use_is_told_and_nothing_is_started(folder: Path, port: str) -> None:
    kind = socket.SOCK_DGRAM if port == "sip" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if port != "sip":
            taken.listen()
        number = taken.getsockname()[1]
        others = [n for n in ("web", "fastagi", "ami", "audio", "http") if n != port]
        ports = [f"--set=ports.{name}={free_tcp_port()}" for name in others]
        result = server(folder, *ports, f"--set=ports.{port}={number}", "run")
    assert result.returncode == 1
    assert f"ports.{port}" in result.stderr and str(number) in result.stderr
    assert not list(folder.glob("d/run/*.pid"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (" same => n,Plaback(hotline/notice)", ["there is no application 'Plaback'", "extensions.conf:"]),
        ("exten => s,n,Set(A=1", ["extensions.conf"]),
        ("exten = > s", ["extensions.conf"]),
        ("[inbound", ["extensions.conf"]),
    ],
)
def test_a_dialplan_that_does_not_parse(folder: Path, line: str, told: list[str]) -> None:
    dialplans = folder / "dialplans"
    shutil.copytree(ROOT / "dialplans", dialplans)
    with (dialplans / "extensions.conf").open("a", encoding="utf-8") as file:
        file.write(f"\n[more]\nexten => s,1,NoOp()\n{line}\n")
    result = server(folder, "check", "--dialplans", str(dialplans))
    assert result.returncode == 1, result.stdout
    assert all(word in result.stderr for word in told), result.stderr
    assert "Traceback" not in result.stderr


def test_a_dialplan_without_a_context_that_the_hotline_needs(folder: Path) -> None:
    dialplans = folder / "dialplans"
    shutil.copytree(ROOT / "dialplans", dialplans)
    text = (dialplans / "extensions.conf").read_text(encoding="utf-8")
    (dialplans / "extensions.conf").write_text(text.replace("[notice]", "[notise]"), encoding="utf-8")
    result = server(folder, "check", "--dialplans", str(dialplans))
    assert result.returncode == 1 and "[notice]" in result.stderr


def test_an_emergency_line_that_nobody_can_announce(folder: Path) -> None:
    replaced("prompts.yaml", "  hotline/line-119: 消防幺幺九\n", "")(folder / "config")
    result = server(folder, "check")
    assert result.returncode == 1, result.stdout
    assert "zh lacks hotline/line-119, which is played for the emergency line 119" in result.stderr


def test_what_is_shipped_is_right(folder: Path) -> None:
    assert server(folder, "prompts", "render").returncode == 0
    result = server(folder, "check")
    assert result.returncode == 0, result.stderr
    assert "103 member units" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "ports.web", "check"], "KEY=VALUE"),
        (["--set", "ports.web=[", "check"], "not a YAML value"),
        (["--set", "name.web=1", "check"], "holds a value"),
        (["run", "--role", "bridge,desks"], "desks"),
        (["token", "create", "--role", "king"], "king"),
    ],
)
def test_a_wrong_command_line_is_told(folder: Path, arguments: list[str], told: str) -> None:
    result = server(folder, *arguments)
    assert result.returncode == 1 and told in result.stderr and "Traceback" not in result.stderr


def test_a_data_folder_with_too_long_a_name(folder: Path) -> None:
    long = folder / ("d" * 90)
    result = server(folder, "--data", str(long), "check")
    assert result.returncode == 0 or "too long" in result.stderr
    result = server(folder, "--data", str(long), "run")
    assert result.returncode == 1 and "too long" in result.stderr
