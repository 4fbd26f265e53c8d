"""Knowledge items from a YAML file: a list of entries with the fields of `Text`; mistakes are named by line."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from routing.knowledge.items import Text
from settings import ConfigurationError, read_yaml

_NAMES = tuple(field.name for field in fields(Text))
_DATES = ("valid_from", "valid_until", "review_by")
_NEEDED = ("title", "body")


def read_items(path: Path) -> list[Text]:
    """The texts in a file. Raises ConfigurationError with a line for every mistake in it."""
    tree = read_yaml(path)
    if not isinstance(tree.value, list) or not tree.value:
        raise ConfigurationError(f"{path}: must be a list of entries with {', '.join(_NAMES)}")
    texts: list[Text] = []
    mistakes: list[str] = []
    for index, entry in enumerate(tree.value):
        where = f"{path}:{tree.line((index,))}"
        if problem := _problem(entry):
            mistakes.append(f"{where}: {problem}")
        else:
            texts.append(Text(**entry))
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return texts


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"must be an entry with {', '.join(_NAMES)}"
    for name, value in entry.items():
        if name not in _NAMES:
            return f"'{name}' is not known; there are: {', '.join(_NAMES)}"
        # A date with a time would be a datetime, which is a date to Python.
        if name in _DATES and type(value) is not date:
            return f"{name}: '{value}' is not a date such as 2026-11-23"
        if name not in _DATES and not isinstance(value, str):
            return f"{name}: '{value}' is not a text"
    return next((f"'{name}' is missing" for name in _NEEDED if name not in entry), "")
