"""A linkage from the agent's session to the station's webhook: a whole hotline, real telephones, real lines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from front.instance import Instance
from front.station import Station
from settings import ROOT
from tests.desk.running_desk import form_token
from tests.e2e.conftest import Scene, scene
from tests.e2e.linkage.scene import Linkages, start_with
from tests.routing.linkage.station import SECRET, StationServer, station_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Scene, Station, StationServer]]:
    async with (
        station_server() as webhook,
        scene({"listening.enabled": "false"}, start=False) as hotline,
        Station(hotline.instance.folder / "station") as station,
    ):
        (hotline.instance.config / "fire.secret").write_bytes(SECRET)
        stations = [{"name": "fire", "line": "119", "url": webhook.url, "secret_file": "fire.secret"}]
        file = hotline.instance.config / "linkage.yaml"
        file.write_text(yaml.safe_dump({"stations": stations}), encoding="utf-8")
        await start_with(hotline, station)
        yield hotline, station, webhook


@pytest_asyncio.fixture(loop_scope="module")
async def linkages(running: tuple[Scene, Station, StationServer]) -> AsyncIterator[Linkages]:
    scene_, station, _ = running
    async with AsyncExitStack() as stack:
        yield Linkages(scene_.instance, station, stack)


class Desk:
    """An agent who is signed in to the running hotline's desk."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._token = ""

    async def sign_in(self, username: str, password: str) -> None:
        data = {"form_token": await form_token(self._session, "/sign-in"), "username": username, "password": password}
        async with self._session.post("/sign-in", data=data, allow_redirects=False) as answer:
            assert answer.status == 303
        self._token = await form_token(self._session, "/")

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Desk-Form-Token": self._token}
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def until(self, path: str, condition: Callable[[Any], Any], seconds: float = 60) -> Any:
        """The answer, as soon as the condition holds for it."""
        body: Any = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    _, body = await self("GET", path)
                    if condition(body):
                        return body
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {json.dumps(body, ensure_ascii=False)}") from None


@pytest_asyncio.fixture(loop_scope="module")
async def desk(linkages: Linkages) -> AsyncIterator[Desk]:
    instance = linkages.instance
    async with aiohttp.ClientSession(instance.web, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        signed_in = Desk(session)
        await signed_in.sign_in("8001", instance.desk_password("8001"))
        yield signed_in


def states(body: Any) -> dict[str, str]:
    return {line["line"]: line["state"] for line in body["lines"]}


async def command_line(instance: Instance, *arguments: str) -> tuple[int, Any]:
    """`server.py linkage ... --json` and what it printed."""
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "server.py"), *instance.arguments(), "linkage", *arguments, "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await made.communicate()
    return made.returncode or 0, json.loads(output)


async def test_from_the_button_to_the_webhook(
    linkages: Linkages, desk: Desk, running: tuple[Scene, Station, StationServer]
) -> None:
    webhook = running[2]
    call_id = await linkages.talking()
    of = f"/api/calls/{call_id}/linkage"
    status, body = await desk("POST", of, {"lines": ["119", "120"]})
    assert status == 202 and set(states(body)) == {"119", "120"}
    await linkages.together(call_id, "caller", "8001", "119", "120")
    body = await desk.until(of, lambda now: set(states(now).values()) == {"connected"})
    assert body["active"] and body["who"] == "8001" and body["via"] == "desk"
    assert {party["name"] for party in body["parties"]} >= {"8001", "119", "120"}
    assert all(line["answer_seconds"] is not None for line in body["lines"])

    # The same again changes nothing; 120 is taken out, the others go on.
    assert (await desk("POST", of, {"lines": ["119"]}))[0] == 202
    assert (await desk("POST", of + "/mute", {"party": "line", "line": "119"}))[0] == 200
    await desk.until(of, lambda now: any(line["muted"] for line in now["lines"]))
    assert (await desk("DELETE", of + "/120"))[0] == 200
    await linkages.together(call_id, "caller", "8001", "119")
    body = await desk.until(of, lambda now: states(now) == {"119": "connected", "120": "taken_out"})
    assert len(next(line for line in body["lines"] if line["line"] == "119")["attempts"]) == 1

    assert (await desk("POST", of + "/end"))[0] == 200
    body = await desk.until(of, lambda now: now["asked_at"] and not now["active"])
    assert body["ended_at"] and all(party["left_at"] for party in body["parties"])
    status, duty = await desk("POST", of + "/duty", {"accepted_by": "119"})
    assert (status, duty["duty"]["accepted_by"]) == (200, "119")

    _, ticket = await desk("GET", f"/api/tickets/{body['ticket_id']}")
    assert ticket["fields"]["urgency"]["value"] == "guide" and ticket["call_id"] == call_id
    assert "linkage_asked" in [line["action"] for line in ticket["history"]]

    await desk.until(of, lambda now: [one["state"] for one in now["notices"]].count("delivered") == 3)
    mine = [one for one in webhook.got if one["call_id"] == call_id]
    assert [one["kind"] for one in mine] == ["linkage.asked", "linkage.answered", "linkage.ended"]
    assert mine[0]["caller_number"] == linkages.caller and all(webhook.signed)

    code, shown = await command_line(linkages.instance, "show", call_id)
    assert code == 0 and shown[0]["lines"][0]["attempts"][0]["outcome"] in ("answered", "dropped")
    code, month = await command_line(linkages.instance, "figures")
    assert code == 0 and month["linkages"] >= 1


async def test_a_line_that_nobody_answers_alarms_every_desk(linkages: Linkages, desk: Desk) -> None:
    await linkages.dials("122", "122486", "122404")
    call_id = await linkages.talking()
    of = f"/api/calls/{call_id}/linkage"
    assert (await desk("POST", of, {"lines": ["122"]}))[0] == 202
    body = await desk.until(of, lambda now: states(now) == {"122": "exhausted"})
    attempts = body["lines"][0]["attempts"]
    assert [one["outcome"] for one in attempts] == ["busy", "unavailable"]
    assert "486" in attempts[0]["detail"]
    found = await desk.until(
        "/api/linkage/alarms", lambda now: [one for one in now["alarms"] if one["call_id"] == call_id]
    )
    alarm = next(one for one in found["alarms"] if one["call_id"] == call_id)
    assert (alarm["kind"], alarm["line"]) == ("line_exhausted", "122")
    assert (await desk("POST", f"/api/linkage/alarms/{alarm['id']}/acknowledge"))[0] == 200
    _, ticket = await desk("GET", f"/api/tickets/{body['ticket_id']}")
    assert ticket["attention"] == "line_exhausted"


async def test_rehearsed_from_the_command_line(linkages: Linkages, desk: Desk) -> None:
    code, made = await command_line(linkages.instance, "rehearse", "110", "119")
    assert code == 1
    assert [(one["line"], one["result"], one["number"]) for one in made] == [
        ("110", "connected", "1100"),
        ("119", "failed", "1190486"),
    ]
    assert made[1]["code"] == "rehearsal_failed" and "486" in made[1]["detail"]
    body = await desk.until("/api/linkage/lines", lambda now: now["lines"])
    standing = {line["line"]: line["standing"] for line in body["lines"]}
    assert (standing["110"], standing["119"], standing["120"]) == ("works", "failed", "never")
    found = await desk.until("/api/linkage/alarms", lambda now: now["alarms"])
    assert "rehearsal_failed" in [one["kind"] for one in found["alarms"]]
