"""A model's archive and a small HTTP server that gives it in good and bad ways, for tests."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asr_models.catalogue import DEMO_FOLDER, Entry
from asr_models.manifest import NAME as MANIFEST

FOLDER = "model-0.1"


def zipped(files: dict[str, bytes] | None = None) -> bytes:
    """A zip archive; by default of the demo model, in a folder as the real archives have it."""
    if files is None:
        files = {
            f"{FOLDER}/{path.relative_to(DEMO_FOLDER).as_posix()}": path.read_bytes()
            for path in sorted(DEMO_FOLDER.rglob("*"))
            if path.is_file() and path.name not in (MANIFEST, "README.md")
        }
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return memory.getvalue()


def entry_for(data: bytes, address: str) -> Entry:
    return Entry(
        name="tiny-model",
        language="zh",
        licence="Apache-2.0",
        address=address,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        folder=FOLDER,
        found_at="tests",
        note="",
    )


class Shelf:
    """What the server gives. Each request takes the next of `cuts`: so many bytes, then the line breaks."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.etag = '"first"'
        self.ranges = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.says_length = True
        self.asked: list[tuple[str, str | None, str | None]] = []
        """Path, Range and If-Range of each request."""


@contextmanager
def serving(shelf: Shelf) -> Iterator[str]:
    """An HTTP server on a free port; yields the archive's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            shelf.asked.append((self.path, wanted, self.headers.get("If-Range")))
            if shelf.statuses and (status := shelf.statuses.pop(0)) != 200:
                self.send_error(status)
                return
            start = 0
            if wanted and shelf.ranges and self.headers.get("If-Range") in (None, shelf.etag):
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            body = shelf.data[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(shelf.data) - 1}/{len(shelf.data)}")
            if shelf.says_length:
                self.send_header("Content-Length", str(len(body)))
            if shelf.etag:
                self.send_header("ETag", shelf.etag)
            self.end_headers()
            self.wfile.write(body[: shelf.cuts.pop(0)] if shelf.cuts else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/models/model-0.1.zip"
    finally:
        server.shutdown()
        server.server_close()
