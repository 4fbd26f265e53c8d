"""The agents' telephone, played by baresip, against a real Asterisk."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from front.calling import place_call
from front.ports import free_tcp_port, free_udp_ports
from front.softphone import Softphone, SoftphoneError
from ivr import voice
from tests.front.scratch_asterisk import ScratchAsterisk

DIALPLAN = """
[scratch]
exten => 101,1,Dial(PJSIP/8001,30)
exten => 102,1,Dial(PJSIP/8002,30)
exten => *1,1,Answer()
 same => n,Read(KEYS,,4,,1,5)
 same => n,Verbose(1,KEYS ${KEYS})
 same => n,Hangup()
"""


@pytest_asyncio.fixture
async def asterisk(tmp_path: Path) -> AsyncIterator[ScratchAsterisk]:
    async with ScratchAsterisk(tmp_path / "asterisk", DIALPLAN) as running:
        yield running


def phone(asterisk: ScratchAsterisk, tmp_path: Path, extension: str = "8001", **more: object) -> Softphone:
    given = {"password": asterisk.PASSWORD, "sip_host": "127.0.0.1", "sip_port": asterisk.port, "workdir": tmp_path}
    return Softphone(extension, **(given | more))  # type: ignore[arg-type]


async def test_rings_answers_and_hangs_up_when_told(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    async with phone(asterisk, tmp_path, auto_answer=False) as agent:
        with pytest.raises(SoftphoneError, match="not ringing"):
            await agent.answer()
        calling = asyncio.create_task(
            place_call(
                caller="13800138000", called="101", sip_host="127.0.0.1", sip_port=asterisk.port,
                seconds=30, workdir=tmp_path,
            )
        )  # fmt: skip
        assert "13800138000" in (await agent.wait_for_call("incoming")).peer
        await agent.answer()
        assert [call.state for call in await agent.calls()] == ["established"]
        await agent.hangup()
        assert await agent.calls() == []
        result = await calling
        assert (result.outcome, result.ended_by) == ("connected", "hotline")


async def test_two_agents_and_a_caller_who_presses_keys(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    recording = tmp_path / "hello.wav"
    voice.speak("您好", recording)
    async with (
        phone(asterisk, tmp_path, speech=recording) as first,
        phone(asterisk, tmp_path, "8002", record=True) as second,
        phone(asterisk, tmp_path, "13900139000", register=False, password="") as caller,
    ):
        await caller.dial("101")
        await asyncio.gather(caller.wait_for_call(), first.wait_for_call())
        await caller.hangup()
        await first.wait_until_idle()

        await first.dial("102")
        await asyncio.gather(first.wait_for_call(), second.wait_for_call())
        await asyncio.sleep(0.5)
        await second.hangup()
        await first.wait_until_idle()
        assert len(second.heard) == 1

        await caller.dial("*1")
        await caller.wait_for_call()
        await caller.press("15*9")
        await caller.wait_until_idle()
    assert "KEYS 15*9" in asterisk.log


async def test_several_at_once(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    phones = [phone(asterisk, tmp_path, f"1380000000{n}", register=False) for n in range(6)]
    await asyncio.gather(*(one.start() for one in phones))
    try:
        assert [await one.calls() for one in phones] == [[]] * 6
    finally:
        await asyncio.gather(*(one.stop() for one in phones))


async def test_a_refused_registration_names_the_reason(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    agent = phone(asterisk, tmp_path, password="wrong")
    with pytest.raises(SoftphoneError, match="did not let telephone 8001 register: 401 Unauthorized"):
        await agent.start()
    with pytest.raises(SoftphoneError, match="off"):
        await agent.calls()
    await agent.stop()


async def test_nobody_to_register_with(tmp_path: Path) -> None:
    agent = Softphone("8001", "x", "127.0.0.1", free_udp_ports(1), tmp_path)
    with pytest.raises(SoftphoneError, match="no answer to REGISTER"):
        await agent.start(timeout=1)


async def test_a_dead_baresip_is_told(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    agent = phone(asterisk, tmp_path)
    await agent.start()
    assert agent._process is not None
    agent._process.kill()
    await agent._process.wait()
    with pytest.raises(SoftphoneError, match="telephone 8001: baresip has ended"):
        await agent.calls()
    await agent.stop()
    await agent.start()
    assert await agent.calls() == []
    await agent.stop()


async def test_the_password_is_for_its_owner_only(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    async with phone(asterisk, tmp_path) as agent:
        assert agent.folder.stat().st_mode & 0o077 == 0
        assert (agent.folder / "accounts").stat().st_mode & 0o077 == 0


def test_what_baresip_cannot_take_is_refused(tmp_path: Path) -> None:
    for extension, password, host in (
        ("80;01", "x", "127.0.0.1"),
        ("8001", "a;b", "127.0.0.1"),
        ("8001", "a\nb", "127.0.0.1"),
        ("8001", "x", "127.0.0.1;transport=tcp"),
    ):
        with pytest.raises(ValueError):
            Softphone(extension, password, host, 5060, tmp_path)


async def test_a_missing_baresip_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SoftphoneError, match="baresip-core"):
        await Softphone("8001", "x", "127.0.0.1", 5060, tmp_path).start()


def test_ports_are_given_once_and_are_free() -> None:
    began = time.monotonic()
    firsts = [free_udp_ports(4) for _ in range(200)]
    taken = [port for first in firsts for port in range(first, first + 4)]
    assert len(set(taken)) == len(taken)
    assert all(first % 2 == 0 for first in firsts)
    assert free_tcp_port() != free_tcp_port()
    assert time.monotonic() - began < 5
