"""Which speech models there are, which of them are installed, and which one to take.

The list is `catalogue.yaml` beside this file. The demo model is part of the program (`demo/`); the others are
folders of the same name in the data folder's `models/`, put there by `installer.py` or by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from asr_models.errors import UnknownModelError

DEMO = "demo"
PREFERRED = "vosk-model-small-cn-0.22"
"""What `auto` takes when it is installed."""

DEMO_FOLDER = Path(__file__).resolve().parent / "demo"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# The layouts that Vosk 0.3.45 reads (src/model.cc, ConfigureV2 and ConfigureV1): the second is the old one.
_ALWAYS = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf")
_ALWAYS_OLD = ("final.mdl", "mfcc.conf")
_GRAPH_IN_PARTS = ("HCLr.fst", "Gr.fst", "disambig_tid.int")
_IVECTOR = ("splice.conf", "online_cmvn.conf", "final.mat", "global_cmvn.stats", "final.dubm")


class Entry(BaseModel):
    """A model that can be installed. `size` in bytes and `sha256` are the archive's; None: not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=_NAME.pattern)
    language: str
    licence: str
    address: str | None
    size: int | None
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    folder: str | None
    """The folder inside the archive that holds the model."""
    found_at: str
    note: str


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    models: tuple[Entry, ...]


@dataclass(frozen=True)
class InstalledModel:
    """A model that lies on this machine and has all the files that Vosk opens. `language` as in `Entry`."""

    name: str
    language: str
    folder: Path


@cache
def entries() -> tuple[Entry, ...]:
    """All models of catalogue.yaml. Raises `pydantic.ValidationError` when the file is not in order."""
    text = (Path(__file__).resolve().parent / "catalogue.yaml").read_text(encoding="utf-8")
    return _Catalogue.model_validate(yaml.safe_load(text)).models


def entry(name: str) -> Entry:
    """The entry of that name. Raises UnknownModelError."""
    for candidate in entries():
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in entries())
    raise UnknownModelError(f"the catalogue has no model '{name}' (it has: {known})")


def folder_of(name: str, models_dir: Path) -> Path:
    """Where a model of that name lies or would lie. Raises UnknownModelError for a name that is a path."""
    if name == DEMO:
        return DEMO_FOLDER
    if not _NAME.fullmatch(name):
        raise UnknownModelError(f"'{name}' is not a model's name (letters, digits, '.', '_' and '-', at most 100)")
    return models_dir / name


def find(name: str, models_dir: Path) -> InstalledModel | None:
    """The installed model of that name; None when it is not there or lacks files (`missing_files` tells which).

    A folder that the catalogue does not know is taken too, as Mandarin: a model that somebody trained.
    Raises UnknownModelError for a name that is a path.
    """
    folder = folder_of(name, models_dir)
    if not folder.is_dir() or missing_files(folder):
        return None
    language = next((known.language for known in entries() if known.name == name), "zh")
    return InstalledModel(name, language, folder)


def choose(setting: str, models_dir: Path) -> InstalledModel | None:
    """The model that `listening.model` asks for, if it is installed.

    `auto` is `PREFERRED` when it is installed, else the demo model. A model that is named is never replaced by
    another. Raises UnknownModelError for a name that is a path.
    """
    if setting == "auto":
        return find(PREFERRED, models_dir) or find(DEMO, models_dir)
    return find(setting, models_dir)


def missing_files(folder: Path) -> list[str]:
    """The files without which Vosk could not open `folder`, as relative paths; empty when all are there.

    An empty file counts as missing: Kaldi would end the process on some of them.
    """
    old = _there(folder / "final.mdl") and not (folder / "am").is_dir()
    needed = list(_ALWAYS_OLD if old else _ALWAYS)
    graph = "" if old else "graph/"
    if not _there(folder / graph / "HCLG.fst"):
        parts = [graph + part for part in _GRAPH_IN_PARTS]
        needed += parts if any((folder / part).exists() for part in parts) else [f"{graph}HCLG.fst"]
    if (folder / "ivector" / "final.ie").exists():
        needed += ["ivector/final.ie", *(f"ivector/{part}" for part in _IVECTOR)]
    if (folder / "rescore" / "G.carpa").exists():
        needed += ["rescore/G.carpa", "rescore/G.fst"]
    return [name for name in needed if not _there(folder / name)]


def _there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
