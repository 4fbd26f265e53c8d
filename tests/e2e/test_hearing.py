"""What a field came from is played from the recording of a real call, while it lasts and afterwards."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp

from asr_models import vosk_recogniser
from asr_models.catalogue import choose
from asr_models.recogniser import Final
from tests.e2e.conftest import WATER, Scene


async def at_the_desk(hotline: Scene, extension: str) -> aiohttp.ClientSession:
    """A browser's session of this agent; close it."""
    session = aiohttp.ClientSession(hotline.instance.web, cookie_jar=aiohttp.CookieJar(unsafe=True))
    page = await (await session.get("/sign-in")).text()
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert found
    form = {"form_token": found[1], "username": extension, "password": hotline.instance.desk_password(extension)}
    async with session.post("/sign-in", data=form, allow_redirects=False) as answer:
        assert answer.status == 303
    return session


def what_it_says(wav: bytes, models: Path) -> str:
    """The clip through the recogniser with which the call was heard."""
    model = choose("demo", models)
    assert model
    stream = vosk_recogniser.load(model).start()
    said: list[Any] = [*stream.feed(wav[44:]), *stream.close()]
    return "".join(one.text for one in said if isinstance(one, Final)).replace(" ", "")


async def test_a_field_is_heard_where_it_was_said(hotline: Scene) -> None:
    await hotline.agent("8001")
    calling = hotline.call(WATER, seconds=30)
    talking = await hotline.call_when(state="talking")
    await hotline.transcript_when(talking["call_id"], "停水")
    ticket = await hotline.ticket_of(talking["call_id"])
    session = await at_the_desk(hotline, "8001")
    async with session:
        path = f"/tickets/{ticket['id']}/sound/field/place"
        async with asyncio.timeout(20):  # Asterisk writes the file two seconds at a time
            while True:
                async with session.get(path) as answer:
                    wav = await answer.read()
                if answer.status == 200 and "水南" in what_it_says(wav, hotline.instance.data):
                    break
                await asyncio.sleep(0.5)
        assert (await calling).connected
        await hotline.call_when(state="ended")
        async with session.get(path) as answer:
            assert answer.status == 200
            ended = await answer.read()
        assert "水南" in what_it_says(ended, hotline.instance.data)
        assert len(ended) < 44 + 2 * 8000 * 4, "the words, not the whole call"
        async with session.get(f"/tickets/{ticket['id']}/sound") as answer:
            assert answer.status == 200 and len(await answer.read()) > 2 * 8000 * 20
