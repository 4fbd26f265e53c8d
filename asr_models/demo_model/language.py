"""The language of the demo model: classes of words, what they sound like, and which class follows which.

It is kept in the model's folder, so that words can be added to a model without the texts that it was made from.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from asr_models.errors import ModelError

FILE = "graph/language.json.gz"
"""In a model's folder."""

START, END = -1, -2
"""In the place of a class: the beginning and the end of what is said."""

Sounds = tuple[int, ...]
"""What a word sounds like: the numbers of its phones."""


@dataclass(frozen=True)
class Word:
    """A word of a class. `likely`: how probable it is when a word of its class is said."""

    text: str
    likely: float
    sounds: Sounds


@dataclass(frozen=True)
class Group:
    """A class: words that are said in the same surroundings."""

    name: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Language:
    """`likely`: how probable a class (by its place in `groups`) or END is anywhere; `followers`: after which class,
    or START, which others are more probable than that, and how much. `added`: words that an operator added.
    """

    groups: tuple[Group, ...]
    likely: dict[int, float]
    followers: dict[int, dict[int, float]]
    added: tuple[str, ...] = ()

    def words(self) -> set[str]:
        """All words."""
        return {word.text for group in self.groups for word in group.words}

    def with_word(self, text: str, sounds: Sounds, like: str) -> Language:
        """The same with one more word, in every class of the word `like` and as likely there. Raises ModelError."""
        found = False
        groups: list[Group] = []
        for group in self.groups:
            model = next((word for word in group.words if word.text == like), None)
            if model is None or any(word.text == text for word in group.words):
                groups.append(group)
                found = found or model is not None
                continue
            found = True
            whole = 1 + model.likely
            words = [dataclasses.replace(word, likely=word.likely / whole) for word in group.words]
            words.append(Word(text, model.likely / whole, sounds))
            groups.append(dataclasses.replace(group, words=tuple(words)))
        if not found:
            raise ModelError(f"this model does not know the word {like!r}, so nothing can be added like it")
        return dataclasses.replace(self, groups=tuple(groups), added=(*self.added, text))


def write(language: Language, folder: Path) -> None:
    """Write it into a model's folder; the same language gives the same file."""
    content = {
        "groups": [
            [
                group.name,
                [[word.text, _short(word.likely), *word.sounds] for word in group.words],
            ]
            for group in language.groups
        ],
        "likely": [[place, _short(value)] for place, value in sorted(language.likely.items())],
        "followers": [
            [place, [[follower, _short(value)] for follower, value in sorted(followers.items())]]
            for place, followers in sorted(language.followers.items())
        ],
        "added": list(language.added),
    }  # fmt: skip
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(folder: Path) -> Language:
    """The language of a model that this program made. Raises ModelError when it has none, or a damaged one."""
    path = folder / FILE
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        return Language(
            tuple(
                Group(
                    name,
                    tuple(Word(text, likely, tuple(sounds)) for text, likely, *sounds in words),
                )
                for name, words in content["groups"]
            ),
            dict(content["likely"]),
            {place: dict(rest) for place, rest in content["followers"]},
            tuple(content["added"]),
        )
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: words can only be added to a model of our own recipe") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"{path} is damaged ({problem}); `models verify` says what else is") from problem


def _short(value: float) -> float:
    return float(f"{value:.4g}")
