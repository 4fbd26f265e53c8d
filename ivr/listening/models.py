"""The models that are loaded: one for each language that is spoken in calls, each changeable while calls go on.

A call's language is that of its channel in the dialplan. A language without a model has a clear state of its own: a
model of another language would write down words that nobody said.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import structlog

from asr_models import vosk_recogniser
from asr_models.catalogue import PREFERRED, InstalledModel, choose, entries, find, missing_files
from asr_models.errors import ModelError, UnknownModelError
from asr_models.recogniser import Recogniser
from settings import Settings

log = structlog.get_logger(__name__)

_LANGUAGE = re.compile(r"[a-z]{2}")


@dataclass(eq=False)
class Loaded:
    """What hears one language (`zh`, `en`) now. Without a `recogniser`, `trouble` says why and what would help.

    `recogniser` is replaced in one assignment, so whoever decodes may read it at any time.
    """

    language: str
    recogniser: Recogniser | None = None
    trouble: str = ""

    @property
    def name(self) -> str:
        """The model's name; empty when there is none."""
        return self.recogniser.name if self.recogniser else ""


class Models:
    """One per process. `recogniser` takes the place of the model that the settings name for the calls' language."""

    def __init__(self, settings: Settings, recogniser: Recogniser | None = None) -> None:
        self._settings = settings
        self._changing = asyncio.Lock()
        self.usual = Loaded(settings.hotline.call.language[:2], recogniser)
        """What hears a call whose language is not known, or the one that calls.language names."""
        self._loaded = {self.usual.language: self.usual}

    def all(self) -> list[Loaded]:
        """What hears each language that has been asked for, the usual one first."""
        return list(self._loaded.values())

    def of(self, language: str) -> Loaded:
        """What hears calls in `language`, as the dialplan names it (`en`, `en_US`; empty: the usual one)."""
        found = _LANGUAGE.match(language)
        short = found[0] if found else self.usual.language
        if short not in self._loaded:
            self._loaded[short] = Loaded(short, trouble=_none_for(short))
        return self._loaded[short]

    def load(self) -> None:
        """Load the model of `listening.model`, and the first that is installed of each other language (in a thread).

        Never raises for want of a model: what is wrong stands in `Loaded.trouble`.
        """
        if self.usual.recogniser is None:
            self._load_usual()
        for entry in entries():
            loaded = self.of(entry.language)
            if loaded is not self.usual and loaded.recogniser is None:
                self._load_other(loaded, entry.name)

    async def use(self, name: str, language: str = "") -> tuple[Loaded, str]:
        """Let the model `name` (or `auto`) hear its language, or the one that is given, from now on.

        It is tried and loaded beside the present one first. Returns what hears that language now, and the name of
        the model that did until now. Raises ModelError, UnknownModelError: then nothing has changed.
        """
        async with self._changing:
            model = self._installed(name)
            loaded = self.of(language or model.language)
            before = loaded.name
            loaded.recogniser = await asyncio.to_thread(vosk_recogniser.load, model)
            loaded.trouble = ""
            log.info("another model listens", model=loaded.name, before=before, language=loaded.language)
            return loaded, before

    def _installed(self, name: str) -> InstalledModel:
        models_dir = self._settings.models_dir
        model = choose(name, models_dir)
        if model is None:
            raise ModelError(_not_installed(name, self._settings))
        return model

    def _load_usual(self) -> None:
        wanted = self._settings.hotline.listening.model
        try:
            model = self._installed(wanted)
            if model.language != self.usual.language:
                raise ModelError(
                    f"listening.model '{wanted}' hears '{model.language}', but calls are in '{self.usual.language}' "
                    f"(call.language)"
                )
            self.usual.recogniser = vosk_recogniser.load(model)
        except (ModelError, UnknownModelError) as problem:
            self.usual.trouble = str(problem)
            log.error("calls are not transcribed", problem=self.usual.trouble)

    def _load_other(self, loaded: Loaded, name: str) -> None:
        model = find(name, self._settings.models_dir)
        if model is None:
            return
        try:
            loaded.recogniser = vosk_recogniser.load(model)
            loaded.trouble = ""
        except ModelError as problem:
            loaded.trouble = str(problem)
            log.error("calls in this language are not transcribed", language=loaded.language, problem=loaded.trouble)


def _not_installed(wanted: str, settings: Settings) -> str:
    name = PREFERRED if wanted == "auto" else wanted
    folder = settings.models_dir / name
    lacking = f", its folder lacks {', '.join(missing_files(folder))}" if folder.is_dir() else ""
    return f"'{name}' is not installed{lacking}; install it with: server.py models install {name}"


def _none_for(language: str) -> str:
    known = [entry.name for entry in entries() if entry.language == language]
    advice = f"install one with: server.py models install {known[0]}" if known else "the catalogue has none either"
    return f"no model of the language '{language}' is installed; {advice}"
