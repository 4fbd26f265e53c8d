"""Words added to a model of our recipe: the sounds stay, the graph is made anew. Seconds, and no numpy.

What is made is a model of its own in the data folder; the one that is part of the program stays as it is.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_models import manifest
from asr_models.catalogue import InstalledModel
from asr_models.demo_model import graph, language, phones
from asr_models.demo_model.language import Language
from asr_models.demo_model.pronunciation import phones_of
from asr_models.demo_model.synthesiser import synthesiser
from asr_models.errors import ModelError
from asr_models.probe import probe

LIKE = "水南村"
"""A new word is by default said where this one is: most are places."""

_LONGEST = 20
_HANZI = re.compile(r"[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Added:
    """What came of it: the words that are new, and those that the model knew before."""

    new: tuple[str, ...]
    known: tuple[str, ...]


def known_words(model: InstalledModel) -> Language:
    """The language of a model. Raises ModelError when it is not of our recipe."""
    return language.read(model.folder)


def add(model: InstalledModel, texts: Sequence[str], like: str, folder: Path) -> Added:
    """Make, in `folder`, the model with these words besides; what was in the folder is replaced when all is done.

    Raises ModelError, and changes nothing, when one of them is no word in hanzi, when `like` is not known, or when
    the model is not of our recipe; OSError when it cannot be written.
    """
    for text in texts:
        if not _HANZI.fullmatch(text) or len(text) > _LONGEST:
            raise ModelError(f"{text!r} is not a word: 1 to {_LONGEST} hanzi, without digits, letters or spaces")
    spoken = language.read(model.folder)
    inventory = phones.read(model.folder / "graph")
    before = spoken.words()
    new = tuple(dict.fromkeys(text for text in texts if text not in before))
    voice = synthesiser()
    for text in new:
        sounds = tuple(inventory.nearest(phone) for phone in phones_of(text, voice))
        spoken = spoken.with_word(text, sounds, like)
    if new:
        _write(model, spoken, inventory, folder)
    return Added(new, tuple(dict.fromkeys(text for text in texts if text in before)))


def _write(model: InstalledModel, spoken: Language, inventory: phones.Inventory, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as room:
        made = Path(room) / "new"
        shutil.copytree(model.folder, made)
        language.write(spoken, made)
        graph.write_graph(spoken, inventory, made / "graph")
        manifest.write(made)
        probe(made)
        if folder.exists():
            # A rename cannot replace a folder that holds something.
            folder.rename(Path(room) / "old")
        made.rename(folder)
