"""Calls placed with SIPp reach a real Asterisk, speak there, and come back with what happened."""

from __future__ import annotations

import asyncio
import shutil
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from front.calling import CallError, CallResult, Speech, place_call
from front.ports import free_udp_ports
from front.softphone import Softphone
from ivr import voice
from tests.front.scratch_asterisk import ScratchAsterisk

DIALPLAN = """
[scratch]
; answers, records what it hears, hangs up after 3 s
exten => 12345,1,Answer()
 same => n,Verbose(1,CALLER num=${CALLERID(num)} name=${CALLERID(name)})
 same => n,MixMonitor(${HEARD},r(${HEARD})W(0))
 same => n,Wait(3)
 same => n,Hangup()
exten => 100,1,Answer()
 same => n,Wait(60)
; answered first: that the agent is there is then told in a re-INVITE
exten => 101,1,Answer()
 same => n,Dial(PJSIP/8001,30)
exten => 486,1,Busy()
exten => 503,1,Congestion()
exten => 180,1,Ringing()
 same => n,Wait(60)
[globals]
HEARD=@heard@
"""


@pytest_asyncio.fixture
async def asterisk(tmp_path: Path) -> AsyncIterator[ScratchAsterisk]:
    dialplan = DIALPLAN.replace("@heard@", str(tmp_path / "heard.wav"))
    async with ScratchAsterisk(tmp_path / "asterisk", dialplan) as running:
        yield running


def call(asterisk: ScratchAsterisk, tmp_path: Path, called: str, **more: Any) -> Any:
    given = {"say": None, "caller": "13800138000", "seconds": 2.0} | more
    return place_call(called=called, sip_host="127.0.0.1", sip_port=asterisk.port, workdir=tmp_path / "calls", **given)


def loudest(wav: Path, begin: float, end: float) -> int:
    with wave.open(str(wav), "rb") as file:
        file.setpos(int(begin * 8000))
        frames = file.readframes(int((end - begin) * 8000))
    return max(abs(int.from_bytes(frames[i : i + 2], "little", signed=True)) for i in range(0, len(frames), 2))


async def test_calls_of_every_kind_at_once(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    stop, answered = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, stop.set)
    spoken, ours, told, busy, congested, unknown, unanswered, given_up = await asyncio.gather(
        call(
            asterisk, tmp_path, "12345",
            say=[Speech(1.0, "我要投诉"), Speech(0.5, "101室")], seconds=30.0, caller_name='张"三] [field0]\\<b>&]]>',
        ),
        call(asterisk, tmp_path, "100", say="喂", seconds=1.0),
        call(asterisk, tmp_path, "100", seconds=60.0, until=stop),
        call(asterisk, tmp_path, "486"),
        call(asterisk, tmp_path, "503"),
        call(asterisk, tmp_path, "404"),
        call(asterisk, tmp_path, "180", answer_within=1.0),
        call(asterisk, tmp_path, "180", until=stop, answered=answered),
    )  # fmt: skip
    assert (spoken.outcome, spoken.sip_code, spoken.ended_by) == ("connected", 200, "hotline")
    assert 2.8 < spoken.talk_seconds < 3.6
    assert (ours.outcome, ours.ended_by) == ("connected", "caller")
    assert 0.9 < ours.talk_seconds < 1.6
    assert (told.outcome, told.ended_by) == ("connected", "caller")
    assert told.talk_seconds < 3
    assert [(r.outcome, r.sip_code) for r in (busy, congested, unknown)] == [
        ("rejected", 486),
        ("rejected", 503),
        ("rejected", 404),
    ]
    assert busy.detail == "486 Busy Here"
    assert unanswered.outcome == given_up.outcome == "unanswered"
    assert not given_up.connected
    assert not answered.is_set()
    for result in (spoken, ours, told):
        assert "BYE " in result.log.read_text(errors="replace")
        assert result.sip_call_id in result.log.read_text(errors="replace")

    assert "num=13800138000" in asterisk.log
    assert "[field0]" in asterisk.log, "a name is sent as it is, never expanded by SIPp"
    # a second of silence first, as it was asked
    assert loudest(tmp_path / "heard.wav", 0.0, 0.9) < 200
    assert loudest(tmp_path / "heard.wav", 1.0, 2.8) > 3000


async def test_cancelling_hangs_up(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    task = asyncio.create_task(call(asterisk, tmp_path, "100", seconds=60.0))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (log,) = (tmp_path / "calls").glob("*.log")
    assert "BYE " in log.read_text(errors="replace")


async def test_the_agents_telephone_answers_and_hears_the_caller(asterisk: ScratchAsterisk, tmp_path: Path) -> None:
    recording = tmp_path / "recording.wav"
    voice.speak("南滨居有噪音", recording)
    phone = Softphone("8001", asterisk.PASSWORD, "127.0.0.1", asterisk.port, tmp_path, record=True)
    answered = asyncio.Event()
    async with phone:
        result: CallResult = await call(asterisk, tmp_path, "101", audio=recording, seconds=2.5, answered=answered)
        await phone.wait_until_idle()
        heard = phone.heard
    assert result.connected
    assert result.ended_by == "caller"
    assert answered.is_set()
    assert result.talk_seconds is not None
    assert 2.3 < result.talk_seconds < 3.0
    assert result.log.read_bytes().count(b"CSeq: 1 INVITE") < result.log.read_bytes().count(b" INVITE\r\n"), "re-INVITE"
    assert loudest(heard[0], 0.2, 2.0) > 3000


async def test_nobody_there(tmp_path: Path) -> None:
    began = asyncio.get_running_loop().time()
    result = await place_call(
        caller="13800138000",
        called="12345",
        sip_host="127.0.0.1",
        sip_port=free_udp_ports(1),
        seconds=2,
        workdir=tmp_path,
        answer_within=2,
    )
    assert not result.connected
    assert result.sip_code is None
    assert asyncio.get_running_loop().time() - began < 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"caller": "138 00"},
        {"caller": '"><x'},
        {"caller": "13800138000\r\nX: y"},
        {"called": "12345@elsewhere"},
        {"called": ""},
        {"called": "1" * 40},
        {"caller_name": "张\r\n三"},
        {"caller_name": "x" * 81},
        {"seconds": 0},
        {"seconds": float("inf")},
        {"say": "，。"},
        {"say": [Speech(-1, "喂")]},
        {"say": "喂", "audio": Path("/dev/null")},
        {"sip_port": 0},
    ],
)
async def test_what_cannot_stand_in_sip_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "caller": "13800138000",
        "called": "12345",
        "sip_host": "127.0.0.1",
        "sip_port": 9,
        "seconds": 1,
        "workdir": tmp_path,
    }
    with pytest.raises(ValueError):
        await place_call(**(given | wrong))


async def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "caller": "1380013",
        "called": "12345",
        "sip_host": "127.0.0.1",
        "sip_port": 9,
        "seconds": 1,
        "workdir": tmp_path,
    }
    with pytest.raises(CallError, match="no recording"):
        await place_call(audio=tmp_path / "none.wav", **given)
    with pytest.raises(CallError, match="not known"):
        await place_call(**(given | {"sip_host": "no-such-host.invalid"}))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CallError, match="sip-tester"):
        await place_call(**given)
