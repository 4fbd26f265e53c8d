"""What the hotline must survive: each fault is made for real, with calls in progress."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import uuid
import wave
from pathlib import Path

import psutil
import pytest

from asr_models.catalogue import choose
from front.instance import InstanceFailed
from ivr.wire import audiosocket
from tests.e2e.conftest import LIGHTS, WATER, Scene


async def test_the_server_is_killed_with_one_talking_and_one_waiting(hotline: Scene) -> None:
    """Both calls go on, the waiting one still reaches an agent, and a restart shows both; no ticket is lost."""
    await hotline.agent("8001")
    talker = hotline.call(LIGHTS, caller="13811111111", seconds=75)
    talking = await hotline.call_when(state="talking", caller_number="13811111111")
    waiter = hotline.call(WATER, caller="13822222222", seconds=75)
    waiting = await hotline.call_when(state="waiting", caller_number="13822222222")
    await hotline.transcript_when(talking["call_id"], "路灯")

    await hotline.instance.kill()
    # A third call arrives while nobody is there: the dialplan takes it to the queue by itself.
    late = hotline.call(LIGHTS, caller="13833333333", pause=25, seconds=60)
    second = await hotline.agent("8002")
    await second.wait_for_call("established", 60)
    assert not talker.done() and not waiter.done() and not late.done()

    await hotline.instance.start()
    shown = {c["caller_number"]: c for c in await hotline.calls() if c["state"] != "ended"}
    await hotline.eventually(lambda: _states(hotline, shown, 3))
    assert shown["13811111111"]["call_id"] == talking["call_id"] and shown["13811111111"]["state"] == "talking"
    assert shown["13822222222"]["call_id"] == waiting["call_id"]
    # One of the two that waited has the second agent, in the order in which they came.
    assert shown["13822222222"]["state"] == "talking" and shown["13822222222"]["agent"] == "8002"
    assert shown["13833333333"]["state"] == "waiting"
    await hotline.transcript_when(shown["13833333333"]["call_id"], "路灯")  # it is listened to again
    tickets = (await hotline.instance.api("/api/tickets"))["tickets"]
    assert {t["caller_number"] for t in tickets} == {"13811111111", "13822222222", "13833333333"}
    assert len(tickets) == 3
    for call in (talker, waiter, late):
        assert not call.done()


async def _states(hotline: Scene, shown: dict[str, dict[str, object]], count: int) -> bool:
    shown.clear()
    shown.update({c["caller_number"]: c for c in await hotline.calls() if c["state"] != "ended"})
    return len(shown) == count and all(c["state"] in ("talking", "waiting", "ringing") for c in shown.values())


async def test_calls_that_end_while_the_server_is_dead_are_on_the_supervisors_list(hotline: Scene) -> None:
    call = hotline.call(WATER, caller="13844444444", seconds=25)
    waiting = await hotline.call_when(state="waiting")
    await hotline.instance.kill()
    # Another one comes and goes while nobody is there.
    whole = hotline.call(WATER, caller="13866666666", seconds=9)
    assert (await call).connected and (await whole).connected  # never cut off; the callers hung up
    await hotline.instance.start()
    for number in ("13844444444", "13866666666"):
        ended = await hotline.call_when(state="ended", caller_number=number)
        assert ended["unseen"] and ended["called_number"] == "12345"
        assert (await hotline.ticket_of(ended["call_id"]))["attention"] == "call_ended_unseen"
    assert waiting["call_id"] in [c["call_id"] for c in await hotline.calls()]


async def test_a_start_that_fails_does_not_end_the_calls_of_an_adopted_asterisk(hotline: Scene) -> None:
    agent = await hotline.agent("8001")
    call = hotline.call(LIGHTS, seconds=60)
    await hotline.call_when(state="talking")
    await hotline.instance.kill()
    blocker = await asyncio.start_server(lambda r, w: None, "127.0.0.1", hotline.instance.ports["web"])
    async with blocker:
        with pytest.raises(InstanceFailed, match=r"ports\.web"):
            await hotline.instance.start()
    assert not call.done() and await agent.calls()
    await hotline.instance.start()
    assert (await hotline.call_when(state="talking"))["agent"] == "8001"


async def test_a_server_that_hangs_does_not_keep_a_caller(hotline: Scene) -> None:
    """SIGSTOP: it accepts connections and never answers, which no AGISTATUS tells."""
    phone = await hotline.agent("8001")
    assert hotline.instance.process is not None
    hotline.instance.process.send_signal(signal.SIGSTOP)
    try:
        call = hotline.call(LIGHTS, seconds=50)
        await phone.wait_for_call("established", 60)
        assert not call.done()
    finally:
        hotline.instance.process.send_signal(signal.SIGCONT)
    talking = await hotline.call_when(state="talking")
    assert talking["caller_number"] == "13800138000"


async def test_redis_is_killed_and_comes_back(hotline: Scene) -> None:
    await hotline.agent("8001")
    call = hotline.call(LIGHTS, seconds=32)
    talking = await hotline.call_when(state="talking")
    for _ in range(3):
        os.kill(hotline.instance.pid("redis"), signal.SIGKILL)
        await asyncio.sleep(2)
    assert not call.done()
    heard = await hotline.transcript_when(talking["call_id"], "路灯")
    assert "保港" in heard
    assert (await call).connected
    ended = await hotline.call_when(state="ended")
    assert ended["call_id"] == talking["call_id"] and ended["ended_by"] == "caller"


async def test_the_database_is_locked_for_half_a_minute(hotline: Scene) -> None:
    await hotline.agent("8001")
    blocker = sqlite3.connect(hotline.instance.data / "hotline.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        call = hotline.call(LIGHTS, seconds=28)
        await asyncio.sleep(15)
        assert "database" in (await _health(hotline))["intake"]  # the desk says what is wrong
        await asyncio.sleep(15)
        assert (await call).connected
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    ended = await hotline.call_when(state="ended")
    assert ended["ended_by"] == "caller" and ended["answered_at"]
    await hotline.transcript_when(ended["call_id"], "路灯")
    assert "保港" in (await hotline.ticket_of(ended["call_id"]))["fields"]["place"]["value"]


async def _health(hotline: Scene) -> dict[str, str]:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(hotline.instance.web + "/healthz") as answer:
        return dict((await answer.json())["parts"])


async def test_asterisk_is_killed_and_comes_back(hotline: Scene) -> None:
    await hotline.agent("8001")
    first = hotline.call(LIGHTS, seconds=60)
    talking = await hotline.call_when(state="talking")
    os.kill(hotline.instance.pid("asterisk"), signal.SIGKILL)
    ended = await hotline.call_when(state="ended", call_id=talking["call_id"])
    assert ended["unseen"]
    first.cancel()
    await hotline.agent("8002")  # registers with the new Asterisk
    hotline.call(WATER, caller="13855555555", seconds=60)
    again = await hotline.call_when(state="talking", caller_number="13855555555")
    await hotline.transcript_when(again["call_id"], "停水")


async def test_the_recogniser_stalls_for_a_minute_and_the_call_is_unharmed(hotline: Scene) -> None:
    agent = await hotline.agent("8001", record=True)
    call = hotline.call(LIGHTS, pause=25, seconds=75)
    await hotline.call_when(state="talking")
    listening = hotline.instance.pid("listening")
    os.kill(listening, signal.SIGSTOP)
    try:
        await asyncio.sleep(60)
        assert not call.done()
    finally:
        os.kill(listening, signal.SIGCONT)
    assert (await call).connected
    await agent.wait_until_idle()
    # What the agent heard is whole: it lasted as long as the call, and the citizen's words are in it.
    with wave.open(str(agent.heard[0]), "rb") as heard:
        assert heard.getframerate() == 8000
        pcm = heard.readframes(heard.getnframes())
    assert len(pcm) / 16000 > 55
    assert "路灯" in _transcribed(pcm)


def _transcribed(pcm: bytes) -> str:
    from vosk import KaldiRecognizer, Model, SetLogLevel

    SetLogLevel(-1)
    installed = choose("demo", Path("/nonexistent"))
    assert installed is not None
    recognizer = KaldiRecognizer(Model(str(installed.folder)), 8000)
    recognizer.AcceptWaveform(pcm)
    return str(json.loads(recognizer.FinalResult())["text"]).replace(" ", "")


async def test_the_recogniser_dies_and_is_started_again(hotline: Scene) -> None:
    await hotline.agent("8001")
    call = hotline.call(LIGHTS, pause=24, seconds=42)
    talking = await hotline.call_when(state="talking")
    os.kill(hotline.instance.pid("listening"), signal.SIGKILL)
    await hotline.transcript_when(talking["call_id"], "路灯")
    assert (await call).connected


async def test_strangers_on_the_ports_harm_no_call(hotline: Scene) -> None:
    await hotline.agent("8001")
    call = hotline.call(LIGHTS, seconds=30)
    talking = await hotline.call_when(state="talking")
    ports = hotline.instance.ports
    assert hotline.instance.process is not None
    parts = [psutil.Process(hotline.instance.process.pid), psutil.Process(hotline.instance.pid("listening"))]
    before = [part.memory_info().rss for part in parts]
    for name in ("fastagi", "audio", "ami"):
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", ports[name])
            writer.close()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\x00" * 4096):
            await _send(ports[name], garbage)
        await _send(ports[name], b"x" * 1_000_000, times=100)
    # An audio connection in good form, whose id belongs to no live call.
    await _send(ports["audio"], b"\x01\x00\x10" + uuid.uuid4().bytes + audiosocket.audio(bytes(320)) * 50)
    grown = [part.memory_info().rss - b for part, b in zip(parts, before, strict=True)]
    assert max(grown) < 60_000_000, grown
    await hotline.transcript_when(talking["call_id"], "路灯")
    assert (await call).connected
    # Only the two legs of the one call were listened to.
    shown = await hotline.instance.api(f"/api/calls/{talking['call_id']}")
    assert {u["speaker"] for u in shown["transcript"]} <= {"caller", "agent"}
    assert len(await hotline.calls()) == 1


async def _send(port: int, data: bytes, times: int = 1) -> None:
    """Send, and be refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(times):
            writer.write(data)
            await asyncio.wait_for(writer.drain(), 5)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
    except (ConnectionError, TimeoutError, RuntimeError):
        return
    finally:
        writer.transport.abort()
