"""config/linkage.yaml: what is wrong is refused with file, line, key and reason; secrets are never shown."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
import yaml

from routing.linkage.configuration import load
from settings import ROOT, ConfigurationError

GOOD = """
rehearsal: {daily_at: "04:15"}
stations:
  - name: fire
    line: "119"
    url: https://station.example/hotline
    secret_file: fire.secret
"""
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fire.secret").write_text(SECRET + "\n", encoding="ascii")
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "linkage.yaml").write_text(text, encoding="utf-8")


def test_the_shipped_file_is_right() -> None:
    plan = load(ROOT / "config", ["110", "119"])
    assert plan.rehearsal.daily_at == time(3, 30) and plan.stations == ()


def test_a_station(folder: Path) -> None:
    write(folder, GOOD)
    plan = load(folder, ["119"])
    assert plan.rehearsal.daily_at == time(4, 15)
    assert plan.stations[0].secret == SECRET.encode() and plan.stations[0].entry.name == "fire"


@pytest.mark.parametrize(
    ("before", "after", "place", "reason"),
    [
        ('daily_at: "04:15"', "daily_at: 14:15", ":2: rehearsal.daily_at", "write it in quotes"),
        ('daily_at: "04:15"', 'daily_at: "24:00"', ":2: rehearsal.daily_at", "is not a time of day"),
        ('daily_at: "04:15"', "retry_minutes: 0", ":2: rehearsal.retry_minutes", "greater than or equal to 1"),
        ("https://station.example", "http://station.example", ":6: stations[0].url", "must begin with https://"),
        ("https://station.example/hotline", "ftp://x", ":6: stations[0].url", "is not a web address"),
        ("https://station.example/hotline", "https://a:b@x/", ":6: stations[0].url", "is not a web address"),
        ('line: "119"', 'line: "911"', ":5: stations[0].line", "there is no emergency line '911'"),
        ("name: fire", "name: Fire", ":4: stations[0].name", "must start with a lower-case letter"),
        ("fire.secret", "no.secret", ":7: stations[0].secret_file", "cannot be read"),
        ("fire.secret", "short.secret", ":7: stations[0].secret_file", "at least 32"),
        ("name: fire", "name: fire\n    secret: abc", ":5: stations[0].secret", "this key is not known here"),
        ("name: fire", "name: fire\n    retry_seconds: [0]", ":5: stations[0].retry_seconds", "between 0.05"),
        ("name: fire", "name: fire\n    retry_seconds: []", ":5: stations[0].retry_seconds", "at least 1"),
        ("name: fire", "name: fire\n    caller_number: sometimes", ":5: stations[0].caller_number", "always"),
    ],
    ids=[
        "unquoted_time",
        "no_time",
        "retry",
        "plain_http",
        "ftp",
        "password_in_url",
        "unknown_line",
        "name",
        "secret_missing",
        "secret_short",
        "unknown_key",
        "pause",
        "no_pause",
        "caller_number",
    ],
)
def test_what_is_wrong_is_named(folder: Path, before: str, after: str, place: str, reason: str) -> None:
    (folder / "short.secret").write_text("tooshort-secret", encoding="ascii")
    assert before in GOOD
    write(folder, GOOD.replace(before, after))
    with pytest.raises(ConfigurationError) as problem:
        load(folder, ["119"])
    assert f"linkage.yaml{place}" in str(problem.value) and reason in str(problem.value)
    assert "tooshort-secret" not in str(problem.value)


def test_twins_and_a_missing_file(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="this file is missing"):
        load(folder, ["119"])
    twice = yaml.safe_load(GOOD)
    twice["stations"] *= 2
    write(folder, yaml.safe_dump(twice))
    with pytest.raises(ConfigurationError, match="'fire' is there twice"):
        load(folder, ["119"])
    twice["stations"][1] = twice["stations"][0] | {"name": "second"}
    write(folder, yaml.safe_dump(twice))
    with pytest.raises(ConfigurationError, match="'fire' is the station of line '119' already"):
        load(folder, ["119"])


def test_a_station_on_this_machine_may_do_without_https(folder: Path) -> None:
    write(folder, GOOD.replace("https://station.example", "http://127.0.0.1:8099"))
    assert load(folder, ["119"]).stations[0].entry.url.startswith("http://127.0.0.1")
