"""What all tests share: ports that no other test process takes."""

from __future__ import annotations

import os

from front import ports

_WORKERS = 8


def pytest_configure() -> None:
    """Give each of pytest-xdist's worker processes a part of the free ports of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    ports.use_part(int(worker) % _WORKERS, _WORKERS)
