"""config/linkage.yaml: when lines are rehearsed, and which stations are told of linkages by webhook."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from settings import YamlFile, read_yaml

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SHORTEST_SECRET = 32
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RehearsalPlan(_Part):
    """When lines are rehearsed."""

    daily_at: time | None = time(3, 30)
    """Local time of the jurisdiction; None: only when somebody asks for it."""
    retry_minutes: int = Field(default=10, ge=1, le=720)
    stale_hours: int = Field(default=36, ge=1, le=24 * 31)

    @field_validator("daily_at", mode="before")
    @classmethod
    def _clock(cls, value: object) -> object:
        # Unquoted, YAML reads 14:30 as a number of minutes.
        is_clock = isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value)
        if value is not None and not isinstance(value, time) and not is_clock:
            raise ValueError(f"'{value}' is not a time of day; write it in quotes, such as \"03:30\"")
        return value


class StationEntry(_Part):
    """A station's webhook."""

    name: str
    line: str
    url: str
    secret_file: str
    caller_number: Literal["always", "unless_confidential", "never"] = "unless_confidential"
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    retry_seconds: tuple[float, ...] = Field(default=(1, 2, 5, 10, 30, 60, 300), min_length=1)
    give_up_hours: float = Field(default=24, gt=0, le=24 * 14)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(f"'{value}' must start with a lower-case letter and hold only a-z, 0-9, - and _")
        return value

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        parts = urllib.parse.urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"'{value}' is not a web address such as https://station.example/hotline")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError(f"'{value}': callers' data go there, so it must begin with https://")
        return value

    @field_validator("retry_seconds")
    @classmethod
    def _pauses(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0.05 <= pause <= 86400 for pause in value):
            raise ValueError("each pause must be between 0.05 and 86400 seconds")
        return value


class LinkageFile(_Part):
    """The whole file."""

    rehearsal: RehearsalPlan = RehearsalPlan()
    stations: tuple[StationEntry, ...] = ()


@dataclass(frozen=True)
class Station:
    """A station's webhook with its secret."""

    entry: StationEntry
    secret: bytes


@dataclass(frozen=True)
class LinkagePlan:
    """What config/linkage.yaml says, checked."""

    rehearsal: RehearsalPlan
    stations: tuple[Station, ...]


def load(config_dir: Path, known_lines: list[str]) -> LinkagePlan:
    """Read and check config/linkage.yaml; `known_lines` are those of lines.yaml.

    Raises ConfigurationError: file, line, key, what is wrong, what would be right.
    """
    tree = read_yaml(config_dir / "linkage.yaml")
    file = tree.as_model(LinkageFile)
    names = [entry.name for entry in file.stations]
    for index, entry in enumerate(file.stations):
        if names.count(entry.name) > 1:
            raise tree.error(("stations", index, "name"), f"'{entry.name}' is there twice; each may be there once")
        if (first := next(one for one in file.stations if one.line == entry.line)) is not entry:
            # What a station has been told is kept with the line: each notice would reach only one of the two.
            raise tree.error(
                ("stations", index, "line"),
                f"'{first.name}' is the station of line '{entry.line}' already; each line can have one",
            )
        if entry.line not in known_lines:
            known = ", ".join(known_lines) or "none"
            raise tree.error(
                ("stations", index, "line"),
                f"there is no emergency line '{entry.line}' in lines.yaml (there are: {known})",
            )
    return LinkagePlan(file.rehearsal, tuple(_station(tree, index, entry) for index, entry in enumerate(file.stations)))


def _station(tree: YamlFile, index: int, entry: StationEntry) -> Station:
    path = tree.path.parent / entry.secret_file
    try:
        secret = path.read_bytes().strip()
    except OSError as problem:
        raise tree.error(
            ("stations", index, "secret_file"),
            f"{path} cannot be read ({problem.strerror}); put the secret that the station knows there",
        ) from problem
    if len(secret) < _SHORTEST_SECRET:
        raise tree.error(
            ("stations", index, "secret_file"),
            f"{path} holds {len(secret)} characters; a secret needs at least {_SHORTEST_SECRET}",
        )
    return Station(entry, secret)
