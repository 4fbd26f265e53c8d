"""The linkage's API: who may act, what is sent to the bridge, what every refusal says, every answer by its schema."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import update

from desk.linkage.api import DATABASE_AWAY
from ivr.commands import DropLine, EndLinkage, LeaveLinkage, LinkLines, Mute, Unmute, Whisper
from ivr.events import now
from routing.linkage.alarms import raise_alarm
from routing.linkage.proposals import propose_linkage
from routing.linkage.tables import Linkage, LinkageLine, LinkagePresence, LinkageProposal
from routing.storage import Ticket
from settings import ROOT
from tests.desk.answering_bridge import AnsweringBridge, answering_bridge
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token

DOCUMENT = yaml.safe_load((ROOT / "desk" / "openapi.yaml").read_text(encoding="utf-8"))


@pytest.fixture
async def bridge(desk: Running) -> AsyncIterator[AnsweringBridge]:
    async with answering_bridge(desk.redis) as answering:
        yield answering


def check(path: str, method: str, status: int, body: Any) -> None:
    """Raise when `body` is not what the document says of this answer."""
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    schema = {"components": DOCUMENT["components"]} | answer["content"]["application/json"]["schema"]
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(body)


async def a_talking_call(desk: Running, **more: Any) -> Any:
    call = a_call(**more)
    ticket = a_ticket(call, values={"place": "保港社区", "event": "家里着火了", "person": "姓符"})
    await desk.add(call, ticket, an_utterance(call, 1, "家里 着火 了"))
    return call


class Acting:
    """A signed-in person who acts from our pages."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self._session = session
        self._token = token

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"Desk-Form-Token": self._token} | headers
        async with self._session.request(method, path, json=body, headers=sent) as answer:
            return answer.status, await answer.json()


async def acting(session: aiohttp.ClientSession) -> Acting:
    return Acting(session, await form_token(session, "/"))


async def test_lines_are_asked_for_and_taken_out(desk: Running, bridge: AnsweringBridge) -> None:
    call = await a_talking_call(desk)
    of = f"/api/calls/{call.call_id}/linkage"
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", of, {"lines": ["119", "120", "119"]})
        check("/api/calls/{call_id}/linkage", "post", status, body)
        assert status == 202
        assert [(line["line"], line["state"]) for line in body["lines"]] == [("119", "asked"), ("120", "asked")]
        status, body = await act("DELETE", f"{of}/120")
        check("/api/calls/{call_id}/linkage/{line}", "delete", status, body)
        assert status == 200
    linked, dropped = bridge.taken
    assert isinstance(linked, LinkLines) and linked.lines == ("119", "120")
    assert (linked.call_id, linked.who, linked.by, linked.via) == (call.call_id, "8001", "agent", "desk")
    assert linked.address == "保港社区"
    assert isinstance(dropped, DropLine) and dropped.line == "120"


@pytest.mark.parametrize(
    ("act_path", "body", "expected"),
    [
        ("leave", None, LeaveLinkage),
        ("end", {}, EndLinkage),
        ("mute", {"party": "caller"}, Mute),
        ("mute", {"party": "line", "line": "119"}, Mute),
        ("unmute", {"party": "agent"}, Unmute),
    ],
    ids=["leave", "end", "mute_caller", "mute_line", "unmute_agent"],
)
async def test_each_act_is_its_command(
    desk: Running, bridge: AnsweringBridge, act_path: str, body: Any, expected: type[Any]
) -> None:
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        status, answer = await (await acting(session))("POST", f"/api/calls/{call.call_id}/linkage/{act_path}", body)
    assert status == 200
    check("/api/calls/{call_id}/linkage/" + act_path, "post", status, answer)
    assert [type(command) for command in bridge.taken] == [expected]


async def test_a_supervisor_whispers_by_their_own_telephone_or_another(desk: Running, bridge: AnsweringBridge) -> None:
    call = await a_talking_call(desk)
    path = f"/api/calls/{call.call_id}/linkage/whisper"
    async with desk.signed_in("8004") as session:
        act = await acting(session)
        assert (await act("POST", path))[0] == 200
        assert (await act("POST", path, {"extension": "8003"}))[0] == 200
        status, body = await act("POST", path, {"extension": "0912345678"})
        assert (status, body["error"]["code"]) == (400, "malformed")
    assert [command.extension for command in bridge.taken if isinstance(command, Whisper)] == ["8004", "8003"]
    async with await desk.api("supervisor") as program:
        answer = await program.post(path)
        assert answer.status == 400 and (await answer.json())["error"]["code"] == "unknown_extension"


async def test_only_those_with_a_part_in_the_call_may_act(desk: Running, bridge: AnsweringBridge) -> None:
    own = await a_talking_call(desk)
    waiting = await a_talking_call(desk, state="waiting", agent="", answered_at=None)
    other = await a_talking_call(desk, agent="8002")
    joined = await a_talking_call(desk, agent="8002")
    row = Linkage(call_id=joined.call_id, ticket_id=await ticket_id(desk, joined.call_id), asked_at=now())
    stay = LinkagePresence(call_id=joined.call_id, party="agent", name="8001", channel="PJSIP/8001-2", joined_at=now())
    await desk.add(row, stay)

    async def status_of(session: aiohttp.ClientSession, call: Any, *, token: bool = False) -> int:
        path = f"/api/calls/{call.call_id}/linkage"
        if token:
            async with session.post(path, json={"lines": ["119"]}) as answer:
                return answer.status
        return (await (await acting(session))("POST", path, {"lines": ["119"]}))[0]

    async with desk.signed_in("8001") as agent:
        assert await status_of(agent, own) == 202
        assert await status_of(agent, waiting) == 202, "nobody else is with this caller"
        assert await status_of(agent, other) == 403
        assert await status_of(agent, joined) == 202, "the agent was rung into the conference"
        act = await acting(agent)
        for verb, what, body in (
            ("POST", "/end", None),
            ("POST", "/leave", None),
            ("POST", "/mute", {"party": "caller"}),
            ("DELETE", "/119", None),
        ):
            status, _ = await act(verb, f"/api/calls/{waiting.call_id}/linkage{what}", body)
            assert status == 403, f"{what}: asking for lines is all that a stranger may do"
        async with agent.get(f"/?call={waiting.call_id}") as answer:
            page = await answer.text()
        assert re.search(r'id="line-119"[^>]*>', page) and not re.search(r'id="line-119"[^>]* disabled', page)
    async with desk.signed_in("8004") as supervisor:
        assert await status_of(supervisor, other) == 202
    async with await desk.api("supervisor") as program:
        assert await status_of(program, other, token=True) == 202
    async with await desk.api("agent") as program:
        assert await status_of(program, waiting, token=True) == 403, "a program is no agent of the call"
    async with await desk.api("auditor") as program:
        assert await status_of(program, other, token=True) == 403
    async with desk.browser() as nobody:
        assert await status_of(nobody, other, token=True) == 401
    assert len(bridge.taken) == 5


async def ticket_id(desk: Running, call_id: str) -> str:
    from routing import tickets

    found = await tickets.ticket_of_call(desk.database, call_id)
    assert found
    return found.id


async def test_another_site_can_do_nothing_with_our_session(desk: Running, bridge: AnsweringBridge) -> None:
    call = await a_talking_call(desk)
    path = f"/api/calls/{call.call_id}/linkage"
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        for headers in ({"Desk-Form-Token": "wrong"}, {"Desk-Form-Token": ""}, {"Origin": "https://evil.example"}):
            assert (await act("POST", path, {"lines": ["119"]}, **headers))[0] == 403
        assert (await act("POST", path, {"lines": ["119"]}, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
        # What a form of another site can send without asking: no header of ours, no JSON.
        async with session.post(path, data='{"lines": ["119"]}', headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 403
    assert bridge.taken == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"lines": []}, "malformed", "lines"),
        ({}, "malformed", "lines"),
        ({"lines": "119"}, "malformed", "lines"),
        ({"lines": [119]}, "malformed", "lines.0"),
        ({"lines": ["119"], "number": "13800000000"}, "malformed", "number"),
        ({"lines": ["13800000000"]}, "unknown_line", "lines"),
        ({"lines": ["119", "00861391234567"]}, "unknown_line", "lines"),
        ({"lines": ["119;drop"]}, "unknown_line", "lines"),
        ({"lines": ["119\r\nAction: Originate"]}, "unknown_line", "lines"),
        ({"lines": ["119"] * 9}, "malformed", "lines"),
        ([], "malformed", ""),
    ],
    ids=[
        "none",
        "empty",
        "text",
        "number",
        "another_key",
        "a_telephone",
        "one_of_two",
        "semicolon",
        "crlf",
        "nine",
        "list",
    ],
)
async def test_nobody_dials_anything_else(
    desk: Running, bridge: AnsweringBridge, body: Any, code: str, field: str
) -> None:
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        status, answer = await (await acting(session))("POST", f"/api/calls/{call.call_id}/linkage", body)
    assert (status, answer["error"]["code"], answer["error"].get("field", "")) == (400, code, field)
    check("/api/calls/{call_id}/linkage", "post", status, answer)
    assert bridge.taken == []


async def test_bodies_that_are_none(desk: Running, bridge: AnsweringBridge) -> None:
    call = await a_talking_call(desk)
    path = f"/api/calls/{call.call_id}/linkage"
    async with desk.signed_in("8001") as session:
        token = await form_token(session, "/")
        for data, kind, status in [
            (b"{", "application/json", 400),
            (b'{"lines": ["119"]}', "text/plain", 415),
            (b'{"lines": ["' + b"1" * 20_000 + b'"]}', "application/json", 413),
            (b"\xff\xfe", "application/json", 400),
        ]:
            headers = {"Desk-Form-Token": token, "Content-Type": kind}
            async with session.post(path, data=data, headers=headers) as answer:
                assert answer.status == status
                assert (await answer.json())["error"]["code"] == "malformed"
    assert bridge.taken == []


async def test_without_a_bridge_the_answer_names_the_feature_code(desk: Running) -> None:
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", f"/api/calls/{call.call_id}/linkage", {"lines": ["119"]})
    assert (status, body["error"]["code"]) == (503, "bridge_unreachable")
    assert re.search(r"\*\s?119", body["error"]["message"])
    check("/api/calls/{call_id}/linkage", "post", status, body)


@pytest.mark.parametrize(
    ("code", "status"),
    [("no_linkage", 409), ("not_in_linkage", 409), ("agent_needed", 409), ("asterisk_refused", 502)],
)
async def test_the_bridges_refusals_come_through(
    desk: Running, bridge: AnsweringBridge, code: Any, status: int
) -> None:
    bridge.code, bridge.message = code, "为什么不行"
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        answered, body = await (await acting(session))("POST", f"/api/calls/{call.call_id}/linkage/leave")
    assert (answered, body["error"]) == (status, {"code": code, "message": "为什么不行"})


async def test_a_call_that_no_bridge_holds(desk: Running, bridge: AnsweringBridge) -> None:
    bridge.holds = False
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", f"/api/calls/{call.call_id}/linkage", {"lines": ["119"]})
        assert (status, body["error"]["code"]) == (404, "no_such_call")
        status, body = await act("POST", "/api/calls/no-such-call/linkage", {"lines": ["119"]})
        assert (status, body["error"]["code"], body["error"]["field"]) == (404, "no_such_call", "call_id")


async def test_a_bridge_that_takes_and_never_answers(desk: Running, bridge: AnsweringBridge) -> None:
    bridge.silent = True
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", f"/api/calls/{call.call_id}/linkage", {"lines": ["119"]})
    assert (status, body["error"]["code"]) == (504, "no_answer")
    assert len(bridge.taken) == 1


async def test_the_database_away(desk: Running, bridge: AnsweringBridge) -> None:
    call = await a_talking_call(desk)
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        async with desk.broken_database():
            status, body = await act("POST", f"/api/calls/{call.call_id}/linkage", {"lines": ["119"]})
    assert (status, body["error"]["message"]) == (503, DATABASE_AWAY) and "*119" in DATABASE_AWAY
    assert bridge.taken == []


async def test_the_state_of_calls_with_and_without_a_linkage(desk: Running) -> None:
    call = await a_talking_call(desk, source="110")
    path = f"/api/calls/{call.call_id}/linkage"
    async with await desk.api("supervisor") as reader:
        body = await (await reader.get(path)).json()
        check("/api/calls/{call_id}/linkage", "get", 200, body)
        assert (body["active"], body["lines"], body["asked_at"], body["source"]) == (False, [], None, "110")
        assert body["read_out"] == {
            "address": "保港社区",
            "callback_number": "13800000001",
            "sentence": "保港社区，家里着火了，来电人姓符，电话13800000001。",
        }
        row = Linkage(
            call_id=call.call_id,
            ticket_id=await ticket_id(desk, call.call_id),
            asked_at=now(),
            by="agent",
            via="desk",
            who="8001",
        )
        stay = LinkagePresence(call_id=call.call_id, party="line", name="119", channel="x", joined_at=now(), muted=True)
        line = LinkageLine(call_id=call.call_id, line="119", asked_at=now(), answered_at=now())
        await desk.add(row, line, stay)
        body = await (await reader.get(path)).json()
        check("/api/calls/{call_id}/linkage", "get", 200, body)
        assert body["active"] and body["lines"][0]["state"] == "connected"
        assert body["parties"][0]["name"] == "119" and body["parties"][0]["muted"]
        assert (await reader.get("/api/calls/none/linkage")).status == 404


async def test_who_accepted_is_recorded(desk: Running) -> None:
    call = await a_talking_call(desk, source="110")
    path = f"/api/calls/{call.call_id}/linkage/duty"
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", path, {"accepted_by": "110"})
        assert (status, body["error"]["code"]) == (409, "no_linkage")
        at, linked_ticket = now(), await ticket_id(desk, call.call_id)
        await desk.add(
            Linkage(call_id=call.call_id, ticket_id=linked_ticket, asked_at=at, first_receiver="110"),
            LinkageLine(call_id=call.call_id, line="119", asked_at=at),
        )
        status, body = await act("POST", path, {"accepted_by": "119", "note": "消防受理"})
        check("/api/calls/{call_id}/linkage/duty", "post", status, body)
        assert body["duty"]["state"] == "clear" and body["duty"]["accepted_by"] == "119"
        status, body = await act("POST", path, {"accepted_by": None, "note": "各执一词"})
        assert (body["duty"]["state"], body["duty"]["accepted_by"]) == ("unclear", "110"), "first receiver accepts"
        for wrong, field in [
            ({"accepted_by": "13800000000"}, "accepted_by"),
            ({"accepted_by": "110", "note": "x" * 501}, "note"),
            ({"accepted_by": "110", "note": "\x00"}, "note"),
        ]:
            status, body = await act("POST", path, wrong)
            assert (status, body["error"]["code"], body["error"]["field"]) == (400, "bad_duty", field)
    async with await desk.api() as auditor:
        ticket = await (await auditor.get(f"/api/tickets/{linked_ticket}")).json()
        duties = [line for line in ticket["history"] if line["action"] == "duty"]
        assert [line["after"] for line in duties] == ["119", "110"]
        assert duties[0]["rule"] == "国办发〔2022〕12号"


async def test_alarms_and_proposals_on_all_desks(desk: Running) -> None:
    call = await a_talking_call(desk, state="waiting", agent="", answered_at=None)
    async with desk.database.begin() as session:
        await raise_alarm(
            session, "line_exhausted", "o1", now(), call_id=call.call_id, line="119", detail="told_caller"
        )
    proposal = await propose_linkage(desk.database, desk.redis, call.call_id, ["119", "120"], ["着火"])
    assert proposal is not None
    async with desk.signed_in("8002") as session:
        act = await acting(session)
        async with session.get("/api/linkage/alarms") as answer:
            body = await answer.json()
        check("/api/linkage/alarms", "get", 200, body)
        assert [one["kind"] for one in body["alarms"]] == ["line_exhausted"]
        assert body["proposals"][0]["lines"] == ["119", "120"] and body["proposals"][0]["words"] == ["着火"]
        alarm = body["alarms"][0]["id"]
        path = f"/api/linkage/alarms/{alarm}/acknowledge"
        assert (await act("POST", path, **{"Desk-Form-Token": "wrong"}))[0] == 403
        status, body = await act("POST", path)
        check("/api/linkage/alarms/{alarm_id}/acknowledge", "post", status, body)
        assert body["acknowledged_by"] == "坐席二 8002"
        assert (await act("POST", "/api/linkage/alarms/999/acknowledge"))[0] == 404
        assert (await act("POST", "/api/linkage/alarms/x/acknowledge"))[1]["error"]["code"] == "no_such_alarm"
        status, body = await act("POST", f"/api/linkage/proposals/{proposal.id}/dismiss")
        check("/api/linkage/proposals/{proposal_id}/dismiss", "post", status, body)
        assert (body["state"], body["decided_by"]) == ("dismissed", "坐席二 8002")
        assert (await act("POST", "/api/linkage/proposals/999/dismiss"))[0] == 404
        async with session.get("/api/linkage/alarms") as answer:
            assert await answer.json() == {"alarms": [], "proposals": []}
    assert await propose_linkage(desk.database, desk.redis, call.call_id, ["119"], ["着火"]) is None
    heavier = await propose_linkage(desk.database, desk.redis, call.call_id, ["119"], ["着火", "救命"])
    assert heavier is not None and heavier.lines == ["119"], "new words are a new cry"
    async with desk.database.begin() as session:
        long_ago = {"state": "dismissed", "decided_at": now() - timedelta(minutes=2)}
        await session.execute(update(LinkageProposal).values(**long_ago))
    again = await propose_linkage(desk.database, desk.redis, call.call_id, ["119"], ["着火"])
    assert again is not None, "so are the same words, a while after the no"
    async with desk.database.begin() as session:
        for occasion, hours in (("new", 1), ("old", 3)):
            at = now() - timedelta(hours=hours)
            await raise_alarm(session, "emergency_key", occasion, at, call_id=call.call_id, detail="138****0001")
    async with desk.signed_in("8002") as another, another.get("/") as answer:
        page = await answer.text()
    rows = re.findall(r'<div class="alarm"[^>]*>', page)
    assert ["data-alarm" in row for row in rows] == [True, False], "an old one is shown and makes no sound"
    assert page.count("按了紧急键后挂断，没有接通任何人：138****0001") == 2


async def test_lines_and_figures(desk: Running) -> None:
    call = await a_talking_call(desk)
    at = now()
    await desk.add(
        Linkage(call_id=call.call_id, ticket_id=await ticket_id(desk, call.call_id), asked_at=at, by="agent"),
        LinkageLine(call_id=call.call_id, line="110", asked_at=at, answered_at=at),
    )
    async with await desk.api() as auditor:
        body = await (await auditor.get("/api/linkage/lines")).json()
        check("/api/linkage/lines", "get", 200, body)
        assert {line["standing"] for line in body["lines"]} == {"never"}
        assert {"110", "119", "120", "122", "114"} <= {line["line"] for line in body["lines"]}
        body = await (await auditor.get("/api/linkage/figures")).json()
        check("/api/linkage/figures", "get", 200, body)
        assert (body["linkages"], body["linkages_with_110"]) == (1, 1)
        old = await (await auditor.get("/api/linkage/figures?month=2020-02")).json()
        assert old["linkages"] == 0
        for month in ("2020-13", "x", "2020", "202002"):
            assert (await auditor.get(f"/api/linkage/figures?month={month}")).status == 400
    async with desk.signed_in("8001") as session, session.get("/api/linkage/figures") as answer:
        assert answer.status == 403


async def test_a_call_from_110_is_labelled(desk: Running) -> None:
    call = await a_talking_call(desk, source="110")
    async with desk.signed_in("8001") as session, session.get(f"/?call={call.call_id}") as answer:
        page = await answer.text()
    assert page.count("110 转来") >= 2, "in the list and at the head of the call"
    desk.health["lines"] = "119 演练没有接通"
    desk.forget_health()
    for username, shown in (("8004", True), ("8001", False)):
        async with desk.signed_in(username) as session, session.get("/") as answer:
            assert ("应急专线：119 演练没有接通" in await answer.text()) is shown
    async with desk.browser() as nobody, nobody.get("/healthz") as answer:
        assert answer.status == 200 and (await answer.json())["parts"]["lines"] == "119 演练没有接通"


async def test_who_asked_for_confidentiality_is_not_shown_to_others(desk: Running) -> None:
    call = await a_talking_call(desk)
    async with desk.database.begin() as session:
        await session.execute(update(Ticket).where(Ticket.call_id == call.call_id).values(identity_secret=True))
    path = f"/api/calls/{call.call_id}/linkage"
    async with desk.signed_in("8001") as own, own.get(path) as answer:
        told = (await answer.json())["read_out"]
        assert told["callback_number"] == "13800000001" and "13800000001" in told["sentence"]
    async with await desk.api() as auditor:
        body = await (await auditor.get(path)).json()
        check("/api/calls/{call_id}/linkage", "get", 200, body)
        assert "13800000001" not in str(body)
    at, linked_ticket = now(), await ticket_id(desk, call.call_id)
    await desk.add(Linkage(call_id=call.call_id, ticket_id=linked_ticket, asked_at=at, by="agent"))
    async with desk.signed_in("8004") as supervisor, supervisor.get("/linkages") as answer:
        page = await answer.text()
        assert answer.status == 200 and "13800000001" not in page and call.call_id in page


async def test_the_ticket_is_filed_as_guide(desk: Running) -> None:
    call = await a_talking_call(desk, state="ended", ended_at=now())
    path = f"/api/calls/{call.call_id}/linkage/guide"
    linked_ticket = await ticket_id(desk, call.call_id)
    async with desk.signed_in("8001") as session:
        act = await acting(session)
        status, body = await act("POST", path)
        assert (status, body["error"]["code"]) == (409, "no_linkage")
        await desk.add(
            Linkage(call_id=call.call_id, ticket_id=linked_ticket, asked_at=now(), ended_at=now(), by="agent"),
            LinkageLine(call_id=call.call_id, line="119", asked_at=now()),
            LinkageLine(call_id=call.call_id, line="12388", asked_at=now()),
        )
        async with session.get(f"/?call={call.call_id}") as page:
            assert "归为指引类" in await page.text()
        status, body = await act("POST", path, {"note": "已接通消防"})
        check("/api/calls/{call_id}/linkage/guide", "post", status, body)
        assert body["state"] == "referred" and "119" in body["lines"]
        async with session.get(f"/?call={call.call_id}") as page:
            assert "归为指引类" not in await page.text()
    async with desk.signed_in("8002") as other:
        assert (await (await acting(other))("POST", path))[0] == 403
