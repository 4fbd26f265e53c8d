"""`server.py call` and `server.py demo`: real calls, placed by SIPp with synthetic Mandarin."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from front.calling import CallError, Speech, place_call
from front.instance import Instance
from front.softphone import Softphone
from ivr.voice import VoiceError, speak
from settings import HotlineError, Settings

DEMO_CALLER = "13876543210"
DEMO_TEXT = "你好我想反映一下保港的路灯坏了很久了晚上很危险麻烦尽快处理一下"
_EXPECTED_WORDS = ("保港", "路灯")


class DemoFailed(HotlineError):
    """The demonstration did not show what it should."""


async def call(arguments: argparse.Namespace, settings: Settings) -> int:
    """Place one spoken call to a running hotline and say how it went; 0 when it was answered."""
    ports, asterisk = settings.hotline.ports, settings.hotline.asterisk
    host = "127.0.0.1" if asterisk.bind == "0.0.0.0" else asterisk.bind  # noqa: S104 - compared, not bound
    print(f"{arguments.caller} calls {arguments.called} at {host}:{ports.sip} ...")
    with tempfile.TemporaryDirectory(prefix="hotline-call-") as folder:
        try:
            result = await place_call(
                say=[Speech(arguments.wait, arguments.say)],
                caller=arguments.caller,
                called=arguments.called,
                caller_name=arguments.name,
                sip_host=host,
                sip_port=ports.sip,
                seconds=arguments.seconds,
                workdir=Path(folder),
            )
        except (CallError, VoiceError, ValueError) as problem:
            raise DemoFailed(str(problem)) from problem
    code = f" (SIP {result.sip_code})" if result.sip_code else ""
    print(
        f"{result.outcome}{code}; talked {result.talk_seconds or 0:.1f} s; ended by {result.ended_by}. {result.detail}"
    )
    return 0 if result.connected else 1


async def demo(settings: Settings) -> int:
    """Start a hotline of its own, let a citizen call and an agent answer, print the ticket; 0 when it is right."""
    with tempfile.TemporaryDirectory(prefix="hotline-demo-", ignore_cleanup_errors=True) as folder:
        instance = Instance(Path(folder))
        times: list[tuple[datetime, str]] = []

        def note(what: str) -> None:
            times.append((datetime.now().astimezone(), what))
            print(f"  {what}", flush=True)

        me = asyncio.current_task()
        if me:  # so that also a SIGTERM takes everything down that was started
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
        print("Starting a hotline on free ports ...", flush=True)
        try:
            await instance.start()
            note("the hotline is open")
            ticket, seen = await _one_call(instance, Path(folder), note)
        finally:
            try:
                await instance.stop()
            finally:
                await instance.kill()
                instance.end_what_is_left()
        print("\nThe ticket:\n")
        print(json.dumps(ticket, ensure_ascii=False, indent=2))
        print("\nWhat happened when:\n")
        for at, what in sorted(times + seen):
            print(f"  {at:%H:%M:%S.%f}"[:-3] + f"  {what}")
        wrong = _wrong(ticket, seen)
        if wrong:
            raise DemoFailed("the ticket is not right: " + "; ".join(wrong))
        print("\nThe ticket is right.")
        return 0


async def _one_call(
    instance: Instance, folder: Path, note: Callable[[str], None]
) -> tuple[dict[str, Any], list[tuple[datetime, str]]]:
    greeting = folder / "agent.wav"
    await asyncio.to_thread(speak, "您好请问需要什么帮忙", greeting)
    agent = Softphone(
        "8001",
        instance.sip_password("8001"),
        "127.0.0.1",
        instance.ports["sip"],
        folder / "softphone",
        speech=greeting,
    )
    await agent.start()
    note("agent 8001 has registered a softphone")
    try:
        note(f"{DEMO_CALLER} dials 12345")
        result = await place_call(
            # The notice takes some seconds, then the agent answers: the citizen speaks after that.
            say=[Speech(12, DEMO_TEXT)],
            caller=DEMO_CALLER,
            called="12345",
            sip_host="127.0.0.1",
            sip_port=instance.ports["sip"],
            seconds=26,
            workdir=folder / "call",
        )
        note(f"the call is over: {result.outcome}, talked {result.talk_seconds or 0:.1f} s")
        if not result.connected:
            raise DemoFailed(f"the call did not connect: {result.outcome} {result.sip_code or ''} {result.detail}")
    finally:
        await agent.stop()
    async with asyncio.timeout(20):
        while True:
            calls = (await instance.api("/api/calls"))["calls"]
            if calls and calls[0]["state"] == "ended":
                break
            await asyncio.sleep(0.2)
    call = await instance.api(f"/api/calls/{calls[0]['call_id']}")
    tickets = (await instance.api("/api/tickets"))["tickets"]
    ticket = await instance.api(f"/api/tickets/{tickets[0]['id']}")
    # Without each word's times: the ticket is to be read.
    ticket["transcript"] = [{k: v for k, v in u.items() if k != "words"} for u in call["transcript"]]
    return ticket, _seen(call)


def _seen(call: dict[str, Any]) -> list[tuple[datetime, str]]:
    """The call's own times, as the hotline noted them."""
    words = {
        "arrived_at": "the call arrived",
        "queued_at": "the caller waits in the queue",
        "answered_at": f"agent {call['agent']} answered",
        "ended_at": f"the call ended, by the {call['ended_by']}",
    }
    seen = [(_time(call[key]), what) for key, what in words.items() if call.get(key)]
    for utterance in call["transcript"]:
        seen.append((_time(utterance["at"]), f"heard, {utterance['speaker']}: {utterance['text']}"))
    return seen


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def _wrong(ticket: dict[str, Any], seen: list[tuple[datetime, str]]) -> list[str]:
    """What of the ticket is not as it must be."""
    wrong = []
    heard = "".join(u["text"] for u in ticket["transcript"] if u["speaker"] == "caller").replace(" ", "")
    if ticket["caller_number"] != DEMO_CALLER:
        wrong.append(f"caller {ticket['caller_number']!r} instead of {DEMO_CALLER}")
    if not all(word in heard for word in _EXPECTED_WORDS):
        wrong.append(f"transcript {heard!r} without {'、'.join(_EXPECTED_WORDS)}")
    fields = ticket["fields"]
    if "保港" not in fields["place"]["value"]:
        wrong.append(f"place {fields['place']['value']!r} without 保港")
    if fields["functional_unit"]["value"] != "yz.zhujian":
        wrong.append(f"functional unit {fields['functional_unit']['value']!r} instead of yz.zhujian")
    if fields["territorial_unit"]["value"] != "yz.dsq.baogang":
        wrong.append(f"territorial unit {fields['territorial_unit']['value']!r} instead of yz.dsq.baogang")
    if not any("answered" in what for _, what in seen):
        wrong.append("no agent answered")
    return wrong
