"""One hotline with linkage lines for all tests of a file; a file may give it `SETTINGS` of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from front.station import Station
from tests.e2e.conftest import Scene
from tests.e2e.linkage.scene import ALL, Linkages, linked_hotline


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Scene, Station]]:
    async with linked_hotline(getattr(request.module, "SETTINGS", None)) as hotline:
        yield hotline


@pytest_asyncio.fixture(loop_scope="module")
async def linkages(running: tuple[Scene, Station]) -> AsyncIterator[Linkages]:
    scene, station = running
    async with AsyncExitStack() as stack:
        test = Linkages(scene.instance, station, stack)
        for line in ALL:
            await test.dials(line, line)
        yield test
