"""The keys with which confidential texts are sealed (AES-256-GCM); they lie in a file, never in the database.

A sealed text is `sealed:KEY:BASE64`, BASE64 of a nonce of 12 bytes, the ciphertext and its tag. What it belongs to
(table, column, row) is authenticated with it: a text that was moved to another row or column does not open.
One more key never seals anything: it makes the caller keys, by which tickets of one caller are known as such.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ivr.events import now
from settings import ConfigurationError, HotlineError

SEALED = "sealed:"
"""How every sealed text begins."""

CALLER_KEY = "caller"
"""Under this id the key of the caller keys is known."""

_NONCE_BYTES = 12
_KEY_BYTES = 32
_LOOK_AGAIN_SECONDS = 1.0
"""How soon a running server notices that the key file has changed (a rotation by the command line)."""


class SealError(HotlineError):
    """A sealed text cannot be opened. Nothing is lost by it: the text stays as it is until the right key is there."""

    code = "seal_error"


class KeyMissing(SealError):
    """It was sealed with a key that the key file does not hold."""

    code = "seal_key_missing"


class SealBroken(SealError):
    """The key is there and does not fit: the text was changed, moved, or sealed with another key of the same name."""

    code = "seal_broken"


@dataclass(frozen=True)
class _Read:
    """The file as it was when it was read."""

    stamp: tuple[int, int]
    current: str
    seals: dict[str, AESGCM]
    raw: dict[str, bytes]
    made: dict[str, str]
    superseded: dict[str, str]


def key_file(data_dir: Path) -> Path:
    """Where the keys lie in a data folder."""
    return data_dir / "secrets" / "seal-keys.yaml"


class Keys:
    """The keys of one file. Notices by itself when the file has changed. Thread-safe."""

    def __init__(self, file: Path) -> None:
        """Raises ConfigurationError when the file is missing, open to others, or not what we wrote."""
        self.file = file
        self._lock = threading.Lock()
        self._read = _read(file)
        self._looked = time.monotonic()

    @property
    def current(self) -> str:
        """Id of the key that seals now."""
        return self._now().current

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all keys, the oldest first."""
        return tuple(self._now().seals)

    def made(self, key: str) -> str:
        """When a key was drawn (ISO 8601)."""
        return self._now().made[key]

    def superseded(self, key: str) -> str:
        """Since when a key no longer seals (ISO 8601); empty: it is current, or never was."""
        return self._now().superseded.get(key, "")

    def fingerprint(self, key: str) -> str:
        """Tells one key from another without giving it away. `key`: an id, or `CALLER_KEY`."""
        return hmac.new(self._now().raw[key], b"fingerprint of a hotline key", hashlib.sha256).hexdigest()[:16]

    def seal(self, text: str, place: str) -> str:
        """`text` sealed for `place` (table, column and row)."""
        read = self._now()
        nonce = os.urandom(_NONCE_BYTES)
        closed = nonce + read.seals[read.current].encrypt(nonce, text.encode(), place.encode())
        return f"{SEALED}{read.current}:{base64.b64encode(closed).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for `place`. Raises KeyMissing or SealBroken."""
        _, key, closed = _parts(sealed, place)
        read = self._now()
        if key not in read.seals:
            read = self._now(look=True)
        if key not in read.seals:
            raise KeyMissing(
                f"{place} is sealed with key '{key}', and {self.file} holds {', '.join(read.seals)}; "
                f"put the key '{key}' back into that file (from its backup, or from another machine of this hotline)"
            )
        try:
            return read.seals[key].decrypt(closed[:_NONCE_BYTES], closed[_NONCE_BYTES:], place.encode()).decode()
        except InvalidTag:
            raise SealBroken(
                f"{place} does not open with key '{key}' of {self.file}: the text was changed or moved, "
                "or another key of that name sealed it"
            ) from None

    def caller_key(self, number: str) -> str:
        """The same for the same number, and of no use to find the number without the key file; empty for none."""
        digits = "".join(filter(str.isdigit, number)).removeprefix("0086")
        if not digits:
            return ""
        if len(digits) == 13 and digits.startswith("861"):  # a mobile number with the country's code
            digits = digits[2:]
        return hmac.new(self._now().raw[CALLER_KEY], digits.encode(), hashlib.sha256).hexdigest()[:32]

    def add(self) -> str:
        """Draw one more key, which seals nothing yet; its id. Where several machines work, copy the file to all now."""
        with self._lock:
            content = _content(self.file)
            number = 1 + max(int(key.removeprefix("k")) for key in content["keys"])
            content["keys"][f"k{number}"] = _drawn()
            _write(self.file, content)
        self._now(look=True)
        return f"k{number}"

    def use(self, key: str) -> None:
        """Seal with this key from now on. Raises ConfigurationError when the file does not hold it."""
        with self._lock:
            content = _content(self.file)
            if key not in content["keys"]:
                raise ConfigurationError(f"{self.file}: there is no key '{key}' (there are: {', '.join(self.ids)})")
            if content["current"] != key:
                content["keys"][content["current"]]["superseded"] = now().isoformat()
                content["keys"][key].pop("superseded", None)
                content["current"] = key
                _write(self.file, content)
        self._now(look=True)

    def drop(self, key: str) -> None:
        """Take a key out of the file for good; what it sealed is lost. Raises ConfigurationError for the current."""
        with self._lock:
            content = _content(self.file)
            if key not in content["keys"] or key == content["current"]:
                others = [other for other in content["keys"] if other != content["current"]]
                raise ConfigurationError(
                    f"{self.file}: '{key}' cannot be dropped (the current key stays; there are besides: "
                    f"{', '.join(others) or 'none'})"
                )
            del content["keys"][key]
            _write(self.file, content)
        self._now(look=True)

    def _now(self, *, look: bool = False) -> _Read:
        if not look and time.monotonic() - self._looked < _LOOK_AGAIN_SECONDS:
            return self._read
        with self._lock:
            self._looked = time.monotonic()
            if _stamp(self.file) != self._read.stamp:
                self._read = _read(self.file)
            return self._read


def key_of(sealed: str) -> str:
    """The id of the key that a text was sealed with."""
    return sealed.split(":", 2)[1]


def is_sealed(value: object) -> bool:
    """Whether a value of the database is a sealed text."""
    return isinstance(value, str) and value.startswith(SEALED)


def draw(file: Path) -> Keys:
    """Draw the first keys into a new file (mode 0600). Raises FileExistsError when there is one."""
    if file.exists():
        raise FileExistsError(file)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(file, {"current": "k1", "keys": {"k1": _drawn()}, "caller_key": _base64(secrets.token_bytes(_KEY_BYTES))})
    return Keys(file)


def _drawn() -> dict[str, str]:
    return {"key": _base64(secrets.token_bytes(_KEY_BYTES)), "made": now().isoformat()}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _parts(sealed: str, place: str) -> tuple[str, str, bytes]:
    try:
        mark, key, closed = sealed.split(":", 2)
        return mark, key, base64.b64decode(closed, validate=True)
    except (ValueError, binascii.Error):
        raise SealBroken(f"{place} holds a sealed text that was cut off or changed") from None


def _stamp(file: Path) -> tuple[int, int]:
    """Changes with every writing; (0, 0) while the file is gone: then what was read before goes on being used."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def _content(file: Path) -> dict[str, Any]:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{file}: others can read this key file; it must have mode 0600 (chmod 600)")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: this key file is missing; put it back from its backup") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        # The parser's own text would quote keys.
        raise ConfigurationError(f"{file}: cannot be read as a key file: {type(problem).__name__}") from None
    if not isinstance(content, dict) or not isinstance(content.get("keys"), dict) or not content["keys"]:
        raise ConfigurationError(f"{file}: must hold current, keys and caller_key, as the hotline wrote them")
    return content


def _read(file: Path) -> _Read:
    stamp = _stamp(file)
    content = _content(file)
    raw: dict[str, bytes] = {}
    for name, text in [
        *((key, entry.get("key") if isinstance(entry, dict) else None) for key, entry in content["keys"].items()),
        (CALLER_KEY, content.get("caller_key")),
    ]:
        try:
            raw[str(name)] = base64.b64decode(str(text), validate=True)
        except (ValueError, binascii.Error):
            raw[str(name)] = b""
        if len(raw[str(name)]) != _KEY_BYTES:
            raise ConfigurationError(f"{file}: the key '{name}' is not {_KEY_BYTES} bytes in Base64")
        if name != CALLER_KEY and not str(name).removeprefix("k").isdecimal():
            raise ConfigurationError(f"{file}: '{name}' is no id of a key; ids are k1, k2, ...")
    if content.get("current") not in content["keys"]:
        raise ConfigurationError(f"{file}: current: '{content.get('current')}' is not one of the keys")
    return _Read(
        stamp=stamp,
        current=str(content["current"]),
        seals={str(key): AESGCM(raw[str(key)]) for key in content["keys"]},
        raw=raw,
        made={str(key): str(entry.get("made", "")) for key, entry in content["keys"].items()},
        superseded={
            str(key): str(entry["superseded"]) for key, entry in content["keys"].items() if "superseded" in entry
        },
    )


def _write(file: Path, content: dict[str, Any]) -> None:
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(
            "# Keys of what citizens said. Without this file it can never be read again: keep a copy in a safe place,\n"
            "# apart from the copies of the database.\n"
        )
        yaml.safe_dump(content, out, sort_keys=False)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def parse_time(text: str) -> datetime:
    """A time of the key file."""
    return datetime.fromisoformat(text)
