"""Copies of the five jurisdictions' files with something changed, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from routing.jurisdiction import Jurisdiction, load
from settings import ROOT

FOLDER = ROOT / "config" / "jurisdictions"
NAMES = ("yazhou", "sanya", "yangling", "qionghai", "turpan")


@cache
def loaded(name: str) -> Jurisdiction:
    """The file as it is shipped."""
    return load(FOLDER / f"{name}.yaml")


@cache
def _text(name: str) -> str:
    tree = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    # The catalogue of matters, the places and most of the words play no part here, and take most of the time.
    tree |= {"matters": [], "places": []}
    if "hints" in tree["emergency"]:
        tree["emergency"] = {"article": tree["emergency"]["article"], "hints": tree["emergency"]["hints"][:2]}
    for intent in tree["intents"]:
        intent.pop("hints", None)
    return yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True)


@cache
def _lender() -> str:
    """As much of Yazhou's file as the others take from it."""
    tree = yaml.load(_text("yazhou"), Loader=yaml.CSafeLoader)
    lent = {key: tree[key] for key in ("intents", "emergency", "confidentiality")}
    lent["law"] = {"completion_forms": tree["law"]["completion_forms"]}
    return yaml.dump(lent, Dumper=yaml.CSafeDumper, allow_unicode=True)


def changed(folder: Path, name: str, change: Callable[[Any], None]) -> Path:
    """A copy of a file, changed, in `folder`, with Yazhou's beside it, from which the others take their words."""
    if name != "yazhou":
        (folder / "yazhou.yaml").write_text(_lender(), "utf-8")
    tree = yaml.load(_text(name), Loader=yaml.CSafeLoader)
    change(tree)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False), "utf-8")
    return path
