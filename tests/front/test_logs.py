"""The log: a stream that fails costs lines, never the task that wanted to say something."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from front.logs import log_to_stderr
from settings import ROOT


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    log_to_stderr(verbose=False)
    yield
    structlog.reset_defaults()


def test_a_stream_closed_under_a_logger_costs_lines_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    log = structlog.get_logger()
    first = io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    log.info("before")
    assert "before" in first.getvalue()
    first.close()
    log.info("lost")
    log.warning("lost too")
    second = io.StringIO()
    monkeypatch.setattr(sys, "stderr", second)
    log.info("after")
    log.info("the next one")
    lines = second.getvalue().splitlines()
    assert lines[0].startswith("2 lines of this log")
    assert "after" in lines[1]
    assert "the next one" in lines[2]
    assert len(lines) == 3


_READER_GONE = """
import os, sys, structlog
from front.logs import log_to_stderr
log_to_stderr(verbose=False)
read, write = os.pipe()
os.close(read)
os.dup2(write, 2)
for _ in range(3):
    structlog.get_logger().error("nobody reads this")
print("went on")
"""


def test_a_reader_that_has_gone_ends_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", _READER_GONE], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.stdout == "went on\n"
