"""Fetching one large file over HTTP so that a broken line costs only what is missing.

What has arrived stays in a file that ends in `.part`, with a note beside it that says where it came from and by
which mark (ETag or Last-Modified) the server names that version. The rest is asked for by `Range` with `If-Range`,
so a server whose file has changed sends it whole instead of a second half that does not fit.
Proxies are taken from the environment (http_proxy, https_proxy, no_proxy), as urllib does.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from asr_models.errors import InstallError

Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and how many there will be (None: the server did not say)."""

_TIMEOUT = 30
_CHUNK = 1 << 16
_TRIES = 3
"""Attempts in a row that bring nothing new, before it is given up."""
_PAUSE = 0.5
_LARGEST = 8 << 30
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_WORTH_WAITING_FOR = {408, 429, 500, 502, 503, 504}


class _BrokenError(Exception):
    """An attempt ended early; what has arrived is kept, and another attempt makes sense."""


@dataclass(frozen=True)
class _Note:
    address: str
    mark: str
    total: int | None


def fetch(address: str, part: Path, *, size: int | None, progress: Progress) -> None:
    """Bring the file at `address` into `part`, going on from what an earlier attempt left there.

    `size` in bytes, when it is known beforehand, is insisted on. Raises InstallError (the host cannot be reached,
    HTTP status, another size, it keeps breaking off: then `part` stays) and OSError for the disk.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise InstallError(f"'{address}' is not an http or https address")
    most = _size(part)
    begun = False
    fruitless = 0
    while True:
        try:
            _attempt(address, part, size, progress, first=not begun)
            return
        except _BrokenError as problem:
            begun = True
            fruitless = 0 if _size(part) > most else fruitless + 1
            most = max(most, _size(part))
            if fruitless >= _TRIES:
                raise InstallError(
                    f"the download of {address} broke off {_TRIES} times in a row ({problem}); {most} bytes are kept: "
                    "give the same command again and it goes on from there"
                ) from problem
            time.sleep(_PAUSE * (fruitless + 1))


def _attempt(address: str, part: Path, size: int | None, progress: Progress, *, first: bool) -> None:
    note = _read_note(part)
    have = _size(part) if note and note.address == address and note.mark else 0
    if note and have and have == note.total:
        return
    headers = {"User-Agent": "hotline-12345 model installer", "Accept-Encoding": "identity"}
    if note and have:
        headers |= {"Range": f"bytes={have}-", "If-Range": note.mark}
    # S310: the scheme was checked by fetch().
    request = urllib.request.Request(address, headers=headers)  # noqa: S310
    try:
        # An opener of our own: that of urlopen() keeps the proxies of its first use.
        response = urllib.request.build_opener().open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as problem:
        with problem:
            raise _refused(problem, address, part) from problem
    except (OSError, http.client.HTTPException) as problem:
        if first:
            raise InstallError(_unreachable(address, problem)) from problem
        raise _BrokenError(str(problem)) from problem
    with response:
        start, total = _extent(response, have, part)
        if size is not None and total is not None and total != size:
            raise InstallError(
                f"{address} has {total} bytes, but the catalogue says {size}: it is another file than the one that "
                "was checked; if you trust it, give its checksum with --sha256"
            )
        if start == 0:
            # Before the note: what is there is of another version than the mark that the note will name.
            discard(part)
        note = _Note(address, _mark(response.headers), total)
        _note_path(part).write_text(json.dumps(asdict(note)), encoding="utf-8")
        _receive(response, part, start, total, size, progress)


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
    size: int | None,
    progress: Progress,
) -> None:
    expected = total if total is not None else size
    _room_for((expected or start) - start, part)
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        received = start
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, http.client.HTTPException) as problem:
                raise _BrokenError(f"{received} bytes had arrived: {problem}") from problem
            if not chunk:
                break
            received += len(chunk)
            if received > (expected or _LARGEST):
                raise InstallError(f"more than {expected or _LARGEST} bytes came; this is not the file that was meant")
            file.write(chunk)
            progress(received, expected)
    if expected is not None and received < expected:
        raise _BrokenError(f"it ended after {received} of {expected} bytes")


def _extent(response: http.client.HTTPResponse, have: int, part: Path) -> tuple[int, int | None]:
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match and int(match[1]) == have:
            return have, int(match[2])
        discard(part)
        raise _BrokenError("the server sent another range than the one that was asked for")
    if response.status != 200:
        raise InstallError(f"{response.url} answered HTTP {response.status}, which is not a file")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _refused(problem: urllib.error.HTTPError, address: str, part: Path) -> Exception:
    if problem.code == 416:
        discard(part)
        return _BrokenError("the server has no such range; the file has changed")
    if problem.code in _WORTH_WAITING_FOR:
        return _BrokenError(f"HTTP {problem.code} {problem.reason}")
    what = "it is not there (any more)" if problem.code in (404, 410) else "the server, or a proxy, does not give it"
    return InstallError(
        f"{address} answered HTTP {problem.code} {problem.reason}: {what}. "
        "Find the archive by other means and give it with --from FILE or --from ADDRESS"
    )


def _unreachable(address: str, problem: Exception) -> str:
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return (
        f"{urlsplit(address).hostname} cannot be reached ({reason}). Check the network and, behind a proxy, the "
        f"variable https_proxy; or bring {address} here by other means and give it with --from FILE"
    )


def _mark(headers: http.client.HTTPMessage) -> str:
    etag: str = headers.get("ETag", "")
    # If-Range takes no weak ETag (RFC 9110, 13.1.5).
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def discard(part: Path) -> None:
    """Remove what was downloaded, and the note beside it. Raises OSError."""
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> _Note | None:
    try:
        note = json.loads(_note_path(part).read_text(encoding="utf-8"))
        return _Note(str(note["address"]), str(note["mark"]), note["total"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Without a note that can be read, what is there cannot be trusted: it is downloaded anew.
        return None


def _room_for(amount: int, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if amount > free:
        raise InstallError(f"the disk of {part.parent} has {free} bytes free, and {amount} more are needed")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
