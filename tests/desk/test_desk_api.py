"""The open API: every answer against its schema, every refusal, every route in the document."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import update

from desk import accounts
from ivr.events import INTERIM_CHANNEL, STREAM, AgentRinging, CallQueued, UtteranceInterim, dump, now
from routing import tickets
from routing.tickets import Actor
from settings import ROOT
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token, running_desk
from tests.services import RedisServer


class Document:
    """The API's document, and answers held against it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    def check(self, path: str, status: int, body: Any, kind: str = "application/json") -> None:
        """Raise when `body` is not what the document says of `path` (as in the document) and `status`."""
        answer = self.body["paths"][path]["get"]["responses"][str(status)]
        if "$ref" in answer:
            answer = self.body["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
        schema = {"components": self.body["components"]} | answer["content"][kind]["schema"]
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(body)


@pytest.fixture(scope="session")
def document() -> Document:
    return Document(yaml.safe_load((ROOT / "desk" / "openapi.yaml").read_text(encoding="utf-8")))


async def some_calls(desk: Running) -> tuple[Any, Any]:
    """A talking call with a filled ticket and a transcript, and one that nobody answered."""
    talking = a_call()
    ticket = a_ticket(talking, values={"place": "水南村", "intent": "help"})
    candidate = {"id": "help", "name": "求助", "score": 0.7, "words": ["帮"], "reason": "来电说到“帮”"}
    ticket.proposals = {
        name: [candidate] for name in ("intent", "urgency", "matter", "functional_unit", "territorial_unit")
    }
    lost = a_call(
        state="ended", agent="", answered_at=None, queued_at=None, ended_at=now(), ended_by="caller", listening={}
    )
    said = [an_utterance(talking, 1, "水南村 停水 [unk]"), an_utterance(talking, 2, "两天 了")]
    await desk.add(talking, lost, ticket, a_ticket(lost, attention="abandoned"), *said)
    return talking, ticket


async def test_the_document_is_openapi_and_names_every_route(desk: Running, document: Document) -> None:
    async with desk.browser() as browser:
        served = await (await browser.get("/api/openapi.json")).json()
    assert served == document.body and served["openapi"] == "3.1.0"
    routes = {
        resource.canonical
        for resource in desk.app.router.resources()
        if resource.canonical.startswith(("/api/", "/healthz", "/metrics"))
    }
    assert routes == set(document.body["paths"])
    for path, methods in document.body["paths"].items():
        for described in methods.values():
            named = {one["name"] for one in described.get("parameters", []) if one.get("in") == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    for schema in document.body["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', json.dumps(document.body))
    assert references and all(name in document.body["components"][kind] for kind, name in references)


async def test_every_answer_fits_its_schema(desk: Running, document: Document) -> None:
    talking, ticket = await some_calls(desk)
    await tickets.confirm(
        desk.database, ticket.id, 1, {"event": "停水"}, Actor("坐席一 8001", "agent"), jurisdiction=desk.law
    )
    async with await desk.api("supervisor") as client:
        for path, template in [
            ("/api/calls", "/api/calls"),
            ("/api/calls?live=true&limit=1", "/api/calls"),
            (f"/api/calls/{talking.call_id}", "/api/calls/{call_id}"),
            ("/api/tickets", "/api/tickets"),
            (f"/api/tickets/{ticket.id}", "/api/tickets/{ticket_id}"),
            ("/api/openapi.json", "/api/openapi.json"),
            ("/healthz", "/healthz"),
        ]:
            answer = await client.get(path)
            assert answer.status == 200, path
            body = await answer.json()
            document.check(template, 200, body)
            assert "T" in json.dumps(body) or path in ("/healthz", "/api/openapi.json")


async def test_what_the_answers_say(desk: Running) -> None:
    talking, ticket = await some_calls(desk)
    async with await desk.api("supervisor") as client:
        live = await (await client.get("/api/calls?live=true")).json()
        assert [call["call_id"] for call in live["calls"]] == [talking.call_id]
        ended = await (await client.get("/api/calls?live=false")).json()
        assert [call["ended_by"] for call in ended["calls"]] == ["caller"]
        call = await (await client.get(f"/api/calls/{talking.call_id}")).json()
        assert [line["text"] for line in call["transcript"]] == ["水南村 停水 [unk]", "两天 了"]
        assert [leg["speaker"] for leg in call["legs"]] == ["caller", "agent"]
        assert call["legs"][0]["listening"]["model"] == "vosk-model-small-cn-0.22"
        assert call["ticket_id"] == ticket.id
        wanting = await (await client.get("/api/tickets?attention=true")).json()
        assert [one["attention_text"] for one in wanting["tickets"]] == ["来电未被接听，请回拨"]
        drafts = await (await client.get("/api/tickets?state=draft&attention=false")).json()
        assert [one["id"] for one in drafts["tickets"]] == [ticket.id]
        assert (await (await client.get("/api/tickets?state=accepted")).json()) == {"tickets": []}


async def test_tickets_come_in_pages(desk: Running) -> None:
    for age in range(3):
        call = a_call(state="ended")
        await desk.add(call, a_ticket(call, created_at=now() - timedelta(minutes=age), serial=f"YZ-{age}"))
    async with await desk.api("supervisor") as client:
        serials, before = [], ""
        while True:
            page = (await (await client.get(f"/api/tickets?limit=2{before}")).json())["tickets"]
            if not page:
                break
            serials += [ticket["serial"] for ticket in page]
            before = f"&before={page[-1]['id']}"
    assert serials == ["YZ-0", "YZ-1", "YZ-2"]


REFUSALS = [
    ("/api/calls?live=yes", "/api/calls", 400),
    ("/api/calls?live=true&live=true", "/api/calls", 400),
    ("/api/calls?limit=0", "/api/calls", 400),
    ("/api/calls?limit=501", "/api/calls", 400),
    ("/api/calls?limit=1e9999", "/api/calls", 400),
    ("/api/calls?limit=99999999999999999999", "/api/calls", 400),
    ("/api/calls?limit=٣", "/api/calls", 400),
    ("/api/calls?sate=draft", "/api/calls", 400),
    ("/api/calls/no-such", "/api/calls/{call_id}", 404),
    ("/api/calls/no-such?x=1", "/api/calls/{call_id}", 400),
    ("/api/tickets?state=open", "/api/tickets", 400),
    ("/api/tickets?attention=1", "/api/tickets", 400),
    ("/api/tickets?before=no-such", "/api/tickets", 400),
    ("/api/tickets/%27%20OR%201=1", "/api/tickets/{ticket_id}", 404),
    ("/api/events?last_event_id=abc", "/api/events", 400),
    ("/api/events?last_event_id=1-2-3", "/api/events", 400),
    ("/api/events?last_event_id=-1", "/api/events", 400),
]


async def test_refusals_say_why_in_one_form(desk: Running, document: Document) -> None:
    await desk.live_connected()
    async with await desk.api("supervisor") as client:
        for path, template, status in REFUSALS:
            answer = await client.get(path)
            assert answer.status == status, path
            body = await answer.json()
            document.check(template, status, body)
            assert body["error"]["code"] == {400: "bad_request", 404: "not_found"}[status]
        answer = await client.get("/api/nothing")
        assert answer.status == 404 and (await answer.json())["error"]["code"] == "not_found"
        answer = await client.post("/api/calls")
        assert answer.status == 405 and answer.headers["Allow"]
        assert (await answer.json())["error"]["code"] == "method_not_allowed"


PATHS = {
    "/api/calls": "/api/calls",
    "/api/calls/x": "/api/calls/{call_id}",
    "/api/tickets": "/api/tickets",
    "/api/tickets/x": "/api/tickets/{ticket_id}",
    "/api/events": "/api/events",
}


async def test_without_a_right_token_401(desk: Running, document: Document) -> None:
    token = await accounts.create_token(desk.database, "auditor", "x")
    await accounts.revoke_token(desk.database, token)
    good = await accounts.create_token(desk.database, "auditor", "x")
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Basic {good}"},
        {"Authorization": good},
    ]
    async with desk.browser() as browser:
        for path, template in PATHS.items():
            for headers in wrong:
                answer = await browser.get(path, headers=headers)
                assert answer.status == 401, (path, headers)
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hotline"'
                document.check(template, 401, await answer.json())


@pytest.mark.parametrize("role", accounts.ROLES)
async def test_roles(desk: Running, document: Document, role: str) -> None:
    async with await desk.api(role) as client:
        for path, template in PATHS.items():
            if path == "/api/events":
                continue
            answer = await client.get(path)
            if role in ("agent", "supervisor", "auditor"):
                assert answer.status in (200, 404)
            else:
                assert answer.status == 403
                document.check(template, 403, await answer.json())


async def test_a_signed_in_browser_may_read_too(desk: Running) -> None:
    async with desk.signed_in("audit") as browser:
        assert (await browser.get("/api/calls")).status == 200
        # A wrong token is wrong, whatever cookies come along.
        assert (await browser.get("/api/calls", headers={"Authorization": "Bearer x"})).status == 401


async def test_health_and_metrics(desk: Running, document: Document) -> None:
    async with desk.browser() as browser:
        answer = await browser.get("/healthz")
        assert answer.status == 200 and (await answer.json())["status"] == "ok"
        desk.health["speech"] = "no_model"
        desk.forget_health()
        assert (await browser.get("/healthz")).status == 200, "without a model calls are still taken"
        desk.health["asterisk"] = "AMI 断开"
        desk.forget_health()
        answer = await browser.get("/healthz")
        body = await answer.json()
        assert answer.status == 503 and body["parts"]["asterisk"] == "AMI 断开"
        document.check("/healthz", 503, body)
        metrics = await browser.get("/metrics")
        text = await metrics.text()
        assert metrics.headers["Content-Type"].startswith("text/plain")
        assert 'hotline_desk_request_seconds_count{route="/healthz",status="503"} ' in text


# ---- events


async def next_event(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """The next server-sent event; comments are passed over."""
    found: dict[str, str] = {}
    async with asyncio.timeout(5):
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if line == b"\n" and "data" in found:
                return found
            if name in ("id", "event", "data"):
                found[name] = value
    raise AssertionError("the stream ended")


def ringing(call_id: str, number: int) -> AgentRinging:
    return AgentRinging(call_id=call_id, event_id=f"{call_id}-{number}", at=now(), agent="8001")


async def tell(desk: Running, event: Any) -> str:
    """Put an event on the stream; its id there."""
    entry = await desk.redis.xadd(STREAM, {"event": dump(event)})
    assert isinstance(entry, bytes)
    return entry.decode()


async def test_events_are_told_as_they_happen(desk: Running, document: Document) -> None:
    await tell(desk, ringing("before", 1))
    await desk.live_connected()
    async with await desk.api("supervisor") as client, client.get("/api/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        entry = await tell(desk, ringing("c1", 1))
        told = await next_event(answer)
        assert told["id"] == entry and told["event"] == "agent_ringing"
        assert json.loads(told["data"])["call_id"] == "c1", "what was before is not told without being asked for"
        document.check("/api/events", 200, json.loads(told["data"]), "text/event-stream")
        interim = UtteranceInterim(call_id="c1", speaker="caller", tap_id="t", number=1, text="水南村\n停水\ud800")
        await desk.redis.publish(INTERIM_CHANNEL, json.dumps(interim.model_dump(mode="json")))
        told = await next_event(answer)
        assert told["event"] == "utterance_interim" and "id" not in told
        assert json.loads(told["data"])["text"] == "水南村\n停水\ud800"
        document.check("/api/events", 200, json.loads(told["data"]), "text/event-stream")


async def test_what_was_missed_comes_first_and_nothing_twice(desk: Running) -> None:
    await desk.live_connected()
    seen = [await tell(desk, ringing("c1", number)) for number in range(450)]
    async with await desk.api("supervisor") as client:
        async with client.get("/api/events", headers={"Last-Event-ID": seen[9]}) as answer:
            # Some more while the old ones are still being sent.
            later = [await tell(desk, ringing("c1", number)) for number in range(450, 460)]
            told = [(await next_event(answer))["id"] for _ in range(450)]
        assert told == seen[10:] + later
        async with client.get(f"/api/events?last_event_id={later[-2]}") as answer:
            assert (await next_event(answer))["id"] == later[-1]


async def test_one_call_only(desk: Running) -> None:
    await desk.live_connected()
    first = await tell(desk, ringing("c0", 1))
    await tell(desk, ringing("c1", 1))
    wanted = await tell(desk, ringing("c2", 1))
    path = f"/api/events?call_id=c2&last_event_id={first}"
    async with await desk.api("supervisor") as client, client.get(path) as answer:
        assert (await next_event(answer))["id"] == wanted
        await tell(desk, ringing("c1", 2))
        wanted = await tell(desk, CallQueued(call_id="c2", event_id="q", at=now(), queue="general"))
        assert (await next_event(answer))["id"] == wanted


async def test_a_gap_is_told(desk: Running, document: Document) -> None:
    await desk.live_connected()
    entries = [await tell(desk, ringing("c1", number)) for number in range(5)]
    await desk.redis.xtrim(STREAM, maxlen=2, approximate=False)
    async with await desk.api("supervisor") as client:
        async with client.get("/api/events", headers={"Last-Event-ID": entries[0]}) as answer:
            gap = await next_event(answer)
            assert gap["event"] == "gap" and json.loads(gap["data"]) == {"after": entries[0], "kept_from": entries[3]}
            document.check("/api/events", 200, json.loads(gap["data"]), "text/event-stream")
            assert (await next_event(answer))["id"] == entries[3]
        async with client.get("/api/events", headers={"Last-Event-ID": entries[3]}) as answer:
            assert (await next_event(answer))["event"] == "agent_ringing"


async def test_what_is_no_event_is_left_out(desk: Running) -> None:
    await desk.live_connected()
    first = await tell(desk, ringing("c1", 1))
    await desk.redis.xadd(STREAM, {"event": b"not json"})
    await desk.redis.xadd(STREAM, {"other": b"{}"})
    await desk.redis.xadd(STREAM, {"event": json.dumps({"kind": "x\ndata: injected"})})
    await desk.redis.publish(INTERIM_CHANNEL, "[]")
    wanted = await tell(desk, ringing("c1", 2))
    async with await desk.api("supervisor") as client:
        async with client.get("/api/events", headers={"Last-Event-ID": first}) as answer:
            assert (await next_event(answer))["id"] == wanted
        async with client.get("/api/events") as answer:
            wanted = await tell(desk, ringing("c1", 3))
            assert (await next_event(answer))["id"] == wanted


async def test_a_revoked_token_loses_its_stream(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desk.live.HEARTBEAT_SECONDS", 0.1)
    await desk.live_connected()
    async with await desk.api("supervisor") as client, client.get("/api/events") as answer:
        async with asyncio.timeout(5):
            async for line in answer.content:
                if line == b": heartbeat\n":
                    break
            async with desk.database.begin() as session:
                await session.execute(update(accounts.ApiToken).values(revoked=True))
            async for _ in answer.content:
                pass
        assert answer.content.at_eof()


async def test_without_redis_events_are_refused_at_once_and_the_rest_goes_on(
    tmp_path: Path, template: Path, own_redis: RedisServer, document: Document
) -> None:
    async with running_desk(tmp_path / "own", template, own_redis.url) as desk:
        await desk.live_connected()
        own_redis.kill()
        async with asyncio.timeout(5):
            while not desk.live.problem:
                await asyncio.sleep(0.01)
        async with await desk.api("supervisor") as client:
            answer = await client.get("/api/events")
            assert answer.status == 503 and answer.headers["Retry-After"] == "3"
            document.check("/api/events", 503, await answer.json())
            assert (await client.get("/api/calls")).status == 200
        call = a_call()
        ticket = a_ticket(call)
        await desk.add(call, ticket)
        async with desk.signed_in() as browser:
            page = await (await browser.get("/")).text()
            assert "Redis（事件通道）异常" in page
            data = {"form_token": await form_token(browser, "/"), "version": "1", "place": "水南村"}
            saved = await browser.post(f"/tickets/{ticket.id}/confirm", data=data, allow_redirects=False)
            assert saved.status == 303, "tickets are saved without Redis"
