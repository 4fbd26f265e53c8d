"""The recipe of the demo model, from top to bottom. Needs numpy, which the running hotline does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr_models import manifest
from asr_models.demo_model import classes, corpus, graph, kaldi_files, language, mfcc, network, phones, vocabulary
from asr_models.demo_model.synthesiser import Synthesiser, synthesiser

Progress = Callable[[str, int, int], None]
"""(what is being done, how much of it is done, how much there is)"""

SEED = 1


@dataclass(frozen=True)
class Size:
    """How large a network is, and how much it learns from: utterances, and times through them."""

    width: int
    utterances: int
    epochs: float


DEMO_SIZE = Size(width=192, utterances=13000, epochs=6)
LOAD_SIZE = Size(width=640, utterances=4500, epochs=1)
"""About as much to compute as vosk-model-small-cn, for measurements of load; it has not learned enough to be exact."""


@dataclass(frozen=True)
class Sources:
    """Where the words come from: the jurisdictions' folder, and that of the sentences."""

    jurisdictions: Path
    sentences: Path


def build(folder: Path, size: Size, sources: Sources, progress: Progress) -> None:
    """Make a model in `folder`, which must be empty or absent. Raises asr_models.errors.ModelError, OSError.

    The same files for the same sources on one machine, when it is the first to speak in its process: espeak-ng goes
    on where it stopped. Another processor, or release of numpy or espeak-ng, may round otherwise: then am/final.mdl
    differs, and nothing else.
    """
    voice = synthesiser()
    progress("finding the sounds of the language", 0, 1)
    inventory = corpus.inventory(voice)
    examples = corpus.examples(size.utterances, SEED, inventory, voice, progress)
    learned = network.train(examples, len(inventory.names), size.width, size.epochs, SEED, progress)
    kaldi_files.write_acoustic_model(learned, folder / "am" / "final.mdl")
    phones.write(inventory, folder / "graph")
    _finish(folder, inventory, sources, voice, progress)


def build_words(folder: Path, sounds_of: Path, sources: Sources, progress: Progress) -> None:
    """Make a model in `folder` with the sounds of another and the words of the sources; takes half a minute."""
    inventory = phones.read(sounds_of / "graph")
    (folder / "am").mkdir(parents=True)
    shutil.copyfile(sounds_of / "am" / "final.mdl", folder / "am" / "final.mdl")
    phones.write(inventory, folder / "graph")
    _finish(folder, inventory, sources, synthesiser(), progress)


def _finish(
    folder: Path, inventory: phones.Inventory, sources: Sources, voice: Synthesiser, progress: Progress
) -> None:
    (folder / "conf").mkdir()
    (folder / "conf" / "mfcc.conf").write_text(mfcc.OPTIONS, encoding="utf-8")
    (folder / "conf" / "model.conf").write_text(kaldi_files.MODEL_OPTIONS, encoding="utf-8")
    words = vocabulary.collect(sources.jurisdictions, sources.sentences, SEED)
    learned = classes.learn(words, inventory, voice, progress)
    language.write(learned, folder)
    # Read again: the graph is then the same, whether it is made now or when words are added.
    graph.write_graph(language.read(folder), inventory, folder / "graph")
    manifest.write(folder)
