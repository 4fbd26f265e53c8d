"""What the desk and the API show of confidential tickets, and to whom: pages, lists, feeds, histories."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from ivr.events import INTERIM_CHANNEL, STREAM, CallArrived, UtteranceInterim, dump, now
from routing.secrecy.tables import AccessEntry
from routing.secrecy.view import CONFIDENTIAL
from routing.storage import Call, Ticket
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token

NUMBER, CALLBACK, WORDS = "13800000001", "13976543210", "保港村口有人偷排污水"
VALUES = {"event": WORDS, "callback_number": CALLBACK, "person": "符大明"}


async def _talking(desk: Running, **flags: Any) -> tuple[Call, Ticket]:
    """Agent 8001 talks to a caller, whose draft has these flags."""
    call = a_call(caller_name="符大明")
    ticket = a_ticket(call, values=VALUES, **flags)
    await desk.add(call, an_utterance(call, 1, WORDS), ticket)
    return call, ticket


SECRETS = (NUMBER, CALLBACK, WORDS, "符大明")


async def test_the_agent_of_the_call_sees_what_others_of_the_centre_do_not(desk: Running) -> None:
    call, _ = await _talking(desk, identity_secret=True, content_secret=True)
    async with desk.signed_in("8001") as session, session.get(f"/?call={call.call_id}") as answer:
        page = await answer.text()
        assert [secret for secret in SECRETS if secret not in page] == []
    for path in (f"/?call={call.call_id}", "/"):
        async with desk.signed_in("8002") as session, session.get(path) as answer:
            page = await answer.text()
            assert [secret for secret in SECRETS if secret in page] == []
            assert CONFIDENTIAL in page


async def test_lists_show_nothing_secret_to_anybody(desk: Running) -> None:
    call = a_call(state="ended", ended_at=now())
    await desk.add(
        call, a_ticket(call, values=VALUES, identity_secret=True, content_secret=True, attention="abandoned")
    )
    for username, path in (("8001", "/"), ("8004", "/supervisor"), ("8004", "/api/tickets"), ("8001", "/api/tickets")):
        async with desk.signed_in(username) as session, session.get(path) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert [secret for secret in SECRETS if secret in text] == [], (username, path)


async def test_a_discipline_matter_is_not_there_for_others(desk: Running) -> None:
    call, ticket = await _talking(desk, restricted_to="yz.jiwei")
    async with desk.signed_in("8001") as session, session.get(f"/api/tickets/{ticket.id}") as answer:
        assert (answer.status, (await answer.json())["caller_number"]) == (200, NUMBER)
    async with desk.signed_in("8004") as session:
        for path in (f"/?call={call.call_id}", f"/?ticket={ticket.id}", f"/api/tickets/{ticket.id}"):
            async with session.get(path) as answer:
                assert answer.status == 404
        async with session.get("/api/tickets") as answer:
            assert (await answer.json())["tickets"] == []
        async with session.get(f"/api/calls/{call.call_id}") as answer:
            body = await answer.json()
            assert (body["caller_number"], body["transcript"], body["ticket_id"]) == (CONFIDENTIAL, [], None)


@pytest.mark.parametrize("role", ["supervisor", "auditor"])
async def test_programs_see_what_their_role_may(desk: Running, role: str) -> None:
    call, ticket = await _talking(desk)
    async with await desk.api(role) as client:
        shown = await (await client.get(f"/api/tickets/{ticket.id}")).json()
        called = await (await client.get(f"/api/calls/{call.call_id}")).json()
        (in_list,) = (await (await client.get("/api/calls")).json())["calls"]
    whole = role == "supervisor"
    assert shown["caller_number"] == called["caller_number"] == in_list["caller_number"]
    assert shown["caller_number"] == (NUMBER if whole else "138****0001")
    assert shown["fields"]["callback_number"]["value"] == (CALLBACK if whole else "139****3210")
    assert shown["fields"]["event"]["value"] == WORDS
    assert bool(called["transcript"]) is whole


async def test_feeds_tell_secrets_to_the_agent_of_the_call_only(desk: Running) -> None:
    call, _ = await _talking(desk, identity_secret=True)
    await desk.live_connected()
    arrived = CallArrived(
        call_id=call.call_id, event_id="e1", at=now(), caller_number=NUMBER, called_number="12345",
        channel="PJSIP/x", uniqueid="1.1", node="a", trunk="loopback",
    )  # fmt: skip
    interim = UtteranceInterim(call_id=call.call_id, speaker="caller", tap_id="t", number=2, text=WORDS)

    async def heard(client: Any) -> str:
        async with client.get("/api/events") as answer:
            await desk.redis.xadd(STREAM, {"event": dump(arrived)})
            await desk.redis.publish(INTERIM_CHANNEL, json.dumps(interim.model_dump(mode="json")))
            lines, told = 0, ""
            while lines < 2:
                line = (await answer.content.readline()).decode()
                if line.startswith("data:"):
                    lines += 1
                    told += line
            return told

    async with desk.signed_in("8001") as agent:
        told = await heard(agent)
        assert NUMBER in told and WORDS in told
    for client in (await desk.api("supervisor"), await desk.api("auditor")):
        async with client:
            told = await heard(client)
            assert NUMBER not in told and WORDS not in told and CONFIDENTIAL in told


async def test_a_ticket_that_is_not_there_for_a_person_cannot_be_changed_by_them(desk: Running) -> None:
    _, ticket = await _talking(desk, restricted_to="yz.jiwei")
    async with desk.signed_in("8002") as session:
        form = {"form_token": await form_token(session, "/"), "version": "1", "place": "x", "was_place": ""}
        async with session.post(f"/tickets/{ticket.id}/edit", data=form) as answer:
            assert answer.status == 404
    async with desk.database.session() as session:
        assert (await session.get_one(Ticket, ticket.id)).version == 1


async def test_what_is_masked_is_read_with_a_reason(desk: Running) -> None:
    _, ticket = await _talking(desk, identity_secret=True)
    page = f"/tickets/{ticket.id}/reveal"
    async with desk.signed_in("8002") as session:
        form = {"form_token": await form_token(session, page), "field": "caller_number", "reason": "回拨核实"}
        async with session.post(page, data=form) as answer:
            assert (answer.status, NUMBER in await answer.text()) == (200, True)
        async with session.post(page, data=form | {"reason": " "}) as answer:
            text = await answer.text()
            assert answer.status == 400 and "请写明查阅的理由" in text and NUMBER not in text
        async with session.post(page, data=form | {"form_token": "x"}) as answer:
            assert answer.status == 403
    path = f"/api/tickets/{ticket.id}/reveal"
    async with await desk.api("auditor") as client:
        async with client.post(path, json={"field": "caller_number", "reason": "查"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "reveal_refused")
        for body, code in (({"field": "serial", "reason": "查"}, "bad_value"), ({"field": "event"}, "malformed")):
            async with client.post(path, json=body) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (400, code)
        async with client.post("/api/tickets/nobody/reveal", json={"field": "event", "reason": "查"}) as answer:
            assert answer.status == 404
    body = {"field": "callback_number", "reason": "回拨"}
    async with await desk.api("supervisor") as client, client.post(path, json=body) as answer:
        assert await answer.json() == {"field": "callback_number", "value": CALLBACK}
    async with desk.database.session() as session:
        log = (await session.scalars(select(AccessEntry).order_by(AccessEntry.id))).all()
    assert [(one.actor, one.field, one.outcome) for one in log] == [
        ("坐席二 8002", "caller_number", "shown"),
        ("API（auditor）", "caller_number", "refused"),
        ("API（supervisor）", "callback_number", "shown"),
    ]
