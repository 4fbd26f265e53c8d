"""espeak-ng as a library: speech together with the moment at which each sound begins, which its program cannot tell.

The library has one state for the whole process, so there is one synthesiser, and one thread may use it at a time.
"""

from __future__ import annotations

import ctypes
import functools
from array import array
from dataclasses import dataclass
from typing import Any

from asr_models.errors import ModelError

RATE = 22050
"""Samples a second of what the voice says."""

VOICE = "cmn-latn-pinyin"
"""The one Mandarin voice of espeak-ng 1.51 that does not read pinyin as English; prompts and demo callers use it."""

_LIBRARY = "libespeak-ng.so.1"
# speak_lib.h of espeak-ng 1.51.
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_EVENT, _UTF8 = 2, 1, 7, 1
_SPEED, _PITCH, _RANGE = 1, 3, 4


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Manner:
    """How it is said: a variant of the voice ("" or "+name"), words a minute, pitch and its range (0-99)."""

    variant: str = ""
    speed: int = 165
    pitch: int = 50
    range: int = 50


@dataclass(frozen=True)
class Sound:
    """A sound that begins `start` seconds after the speech, and the index of the character that it belongs to."""

    start: float
    name: str
    character: int


@dataclass(frozen=True)
class Speech:
    """16-bit samples at RATE, and the sounds in the order in which they are heard."""

    samples: array[int]
    sounds: tuple[Sound, ...]


class Synthesiser:
    """Speaks Mandarin. Use `synthesiser()`: the library allows one in a process."""

    def __init__(self) -> None:
        try:
            self._library: Any = ctypes.CDLL(_LIBRARY)
        except OSError as problem:
            raise ModelError(f"{_LIBRARY} is not there ({problem}); 'make setup' brings it with espeak-ng") from None
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS) != RATE:
            raise ModelError("espeak-ng could not be started, or does not speak at 22050 Hz; version 1.51 does")
        self._spell = self._library.espeak_TextToPhonemes
        self._spell.restype = ctypes.c_char_p
        self._spell.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        # Kept: the library holds only a pointer to it.
        self._callback = _Callback(self._received)
        self._library.espeak_SetSynthCallback(self._callback)
        self._samples: array[int] = array("h")
        self._sounds: list[Sound] = []
        self._manner: Manner | None = None
        self._take(Manner())

    def speak(self, text: str, manner: Manner) -> Speech:
        """Say the text. Raises ModelError when the voice is not installed, or the library refuses."""
        if manner != self._manner:
            self._take(manner)
        self._samples, self._sounds = array("h"), []
        said = text.encode() + b"\0"
        if self._library.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 1, 0, _UTF8, None, None) != 0:
            raise ModelError(f"espeak-ng refuses to say {text!r}")
        self._library.espeak_Synchronize()
        return Speech(self._samples, tuple(self._sounds))

    def spelling(self, text: str) -> list[str]:
        """The sounds of each syllable with its tone in digits, as espeak-ng writes them: ["p'au214", "k'ang214"]."""
        # It reads from the address that it is given and moves it on, a clause at a time.
        held = ctypes.create_string_buffer(text.encode())
        position = ctypes.c_void_p(ctypes.addressof(held))
        parts: list[str] = []
        while position.value:
            parts += (self._spell(ctypes.byref(position), _UTF8, 0) or b"").decode().split()
        return parts

    def _take(self, manner: Manner) -> None:
        if self._library.espeak_SetVoiceByName((VOICE + manner.variant).encode()) != 0:
            raise ModelError(f"espeak-ng has no voice {VOICE}{manner.variant}; its data files are not complete")
        for parameter, value in ((_SPEED, manner.speed), (_PITCH, manner.pitch), (_RANGE, manner.range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._manner = manner

    def _received(self, samples: int | None, count: int, events: Any) -> int:
        if samples and count > 0:
            self._samples.frombytes(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _PHONEME_EVENT:
                name = bytes(event.id)[:8].split(b"\0")[0].decode()
                self._sounds.append(Sound(event.audio_position / 1000, name, event.text_position - 1))
            index += 1
        return 0


@functools.cache
def synthesiser() -> Synthesiser:
    """The synthesiser of this process. Raises ModelError when espeak-ng is missing."""
    return Synthesiser()
