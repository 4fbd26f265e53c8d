"""The pages without a browser: what is on them, who sees them, forms, conflicts, hostile text."""

from __future__ import annotations

import html
import re
from typing import Any

import aiohttp
import pytest

from desk import health
from ivr.events import now
from routing import tickets
from routing.tickets import Actor
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token

OTHER = Actor("坐席二 8002", "agent")


async def post(session: aiohttp.ClientSession, path: str, version: int, **more: str) -> aiohttp.ClientResponse:
    """Post a ticket form as a browser without scripts does."""
    data = {"form_token": await form_token(session, "/"), "version": str(version)} | more
    return await session.post(path, data=data, allow_redirects=False)


async def test_the_desk_opens_the_call_that_the_agent_talks_in(desk: Running) -> None:
    mine, other = a_call(), a_call(agent="8002", caller_number="13900000009")
    ticket = a_ticket(mine, values={"place": "崖州区水南村"})
    said = an_utterance(mine, 1, "水南村 停水 [unk] 两天 了")
    await desk.add(mine, other, ticket, said, a_ticket(other))
    async with desk.signed_in() as browser:
        page = await (await browser.get("/")).text()
    assert f'data-open="call={mine.call_id}"' in page and f'data-own-call="{mine.call_id}"' in page
    assert "水南村停水" in page and '<span class="gap" title="没有听清">□□</span>' in page and "[unk]" not in page
    assert 'value="崖州区水南村"' in page and "机器填写 87%" in page
    assert "13900000009" in page, "the other live call is in the list"
    assert "通话中" in page and "12345热线" in page


async def test_words_that_the_recogniser_doubts_are_marked(desk: Running) -> None:
    call = a_call()
    await desk.add(call, a_ticket(call), an_utterance(call, 1, "水南村 停水", confidence=0.41))
    async with desk.signed_in() as browser:
        page = await (await browser.get("/")).text()
    assert '<span class="unsure" title="把握 41%">停水。</span>' in page


async def test_drafts_of_ended_calls_wait_for_their_agent_first(desk: Running) -> None:
    ended = {"state": "ended", "ended_at": now(), "ended_by": "caller"}
    mine, other, live = a_call(**ended), a_call(agent="8002", **ended), a_call(agent="8002")
    drafts = [a_ticket(call) for call in (mine, other, live)]
    done = a_call(**ended)
    await desk.add(mine, other, live, done, *drafts, a_ticket(done, state="accepted"))
    async with desk.signed_in() as browser:
        part = await (await browser.get("/parts?want=drafts")).text()
    shown = re.findall(r'<li id="draft-([^"]+)" class="row([^"]*)"', part)
    assert shown == [(drafts[0].id, " row-mine"), (drafts[1].id, "")]


async def test_banners_say_what_is_wrong(desk: Running) -> None:
    call = a_call()
    await desk.add(call, a_ticket(call))
    await desk.live_connected()

    async def banners(**parts: str) -> str:
        desk.health.clear()
        desk.health.update({"redis": "ok", "database": "ok"} | parts)
        desk.forget_health()
        return await (await browser.get(f"/parts?want=banners&call={call.call_id}")).text()

    async with desk.signed_in() as browser:
        assert "<p" not in await banners()
        assert "Asterisk（电话交换）异常：AMI 断开" in await banners(asterisk="AMI 断开")
        assert "没有语音模型：server.py models install vosk-model-small-cn-0.22" in await banners(
            speech=health.NO_MODEL
        )
        assert "演示模型，只适用于合成语音" in await banners(speech=health.DEMO_MODEL)
        async with desk.database.begin() as session:
            (await session.merge(call)).listening = {"caller": {"state": "on", "model": "demo", "detail": ""}}
        assert "演示模型" in await banners()
        async with desk.database.begin() as session:
            (await session.merge(call)).listening = {"caller": {"state": "no_model", "model": "", "detail": ""}}
        assert "没有语音模型" in await banners()
        page = await (await browser.get("/")).text()
        assert "来电人的话没有转写：没有语音模型" in page


async def test_danger_is_shown_with_the_lines_to_connect(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    line = {"id": "120", "name": "急救", "score": 0.9, "words": ["晕倒"], "reason": "来电说到“晕倒”"}
    ticket.proposals = {"emergency_line": [line]}
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        page = await (await browser.get("/")).text()
    assert "可能有危险，请告知来电人并连线" in page and "<b>120 急救</b>" in page and "晕倒" in page


@pytest.mark.parametrize("username", ["8001", "audit"])
async def test_pages_are_for_their_roles(desk: Running, username: str) -> None:
    async with desk.signed_in(username) as browser:
        assert (await browser.get("/supervisor")).status == 403
        answer = await browser.get("/parts?want=attention")
        assert answer.status == (400 if username == "8001" else 403)
        if username == "audit":
            assert (await browser.get("/")).status == 403
            assert (await browser.get("/live")).status == 403


async def test_without_a_session_nothing_is_shown_or_saved(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    async with desk.browser() as browser:
        assert (await browser.get("/", allow_redirects=False)).status == 303
        for path in ("/parts?want=calls", "/live"):
            answer = await browser.get(path, headers={"Desk-Fragment": "1"})
            assert answer.status == 401 and "登录已过期" in await answer.text()
        data = {"version": "1", "place": "x"}
        assert (await browser.post(f"/tickets/{ticket.id}/edit", data=data)).status == 401


async def test_editing_makes_a_field_the_persons(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call, values={"place": "水南村", "event": "停水"})
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        answer = await post(
            browser, f"/tickets/{ticket.id}/edit", 1, place="水南村三组", event="停水", was_event="停水"
        )
        assert answer.status == 303
        page = await (await browser.get("/")).text()
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.fields["place"]["value"] == "水南村三组" and kept.fields["place"]["by"] == "坐席一 8001"
    assert kept.fields["event"]["source"] == "machine", "an untouched field of the form stays the machine's"
    assert '<span class="badge badge-human">人工</span>' in page


async def test_ids_are_typed_by_name(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    law = desk.law
    unit, matter = next(iter(law.units.values())), law.matters[0]
    async with desk.signed_in() as browser:
        path = f"/tickets/{ticket.id}/edit"
        answer = await post(browser, path, 1, functional_unit=unit.name, matter=f" {matter.name} ", intent="help")
        assert answer.status == 303
        answer = await post(browser, path, 2, territorial_unit="没有这个单位")
        assert answer.status == 400
        page = await answer.text()
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.fields["functional_unit"]["value"] == unit.id
    assert kept.fields["matter"]["value"] == matter.id and kept.fields["intent"]["value"] == "help"
    assert "目录里没有“没有这个单位”" in page and 'value="没有这个单位"' in page, "what was typed is still there"


async def test_one_bad_value_does_not_keep_the_others_from_being_saved(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    bad = {"territorial_unit": "没有这个单位", "person": "a\x00b"}
    async with desk.signed_in() as browser:
        answer = await post(browser, f"/tickets/{ticket.id}/edit", 1, place="水南村", **bad)
        assert answer.status == 400
        assert (await answer.text()).count('class="field-error"') == 2
        kept = await tickets.ticket(desk.database, ticket.id)
        assert kept and kept.fields["place"]["value"] == "水南村" and kept.fields["person"]["value"] == ""
        # A confirmation is all or nothing.
        answer = await post(browser, f"/tickets/{ticket.id}/confirm", 2, place="崖城", **bad)
        assert answer.status == 400
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.state == "draft" and kept.fields["place"]["value"] == "水南村"


async def test_confirming_closes_the_draft_once(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call, values={"event": "停水"})
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        path = f"/tickets/{ticket.id}/confirm"
        assert (await post(browser, path, 1, place="水南村")).status == 303
        page = await (await browser.get("/")).text()
        assert "已确认" in page and "坐席一 8001" in page and 'id="confirm"' not in page
        again = await post(browser, path, 2)
        assert again.status == 409 and "已由 坐席一 8001 确认" in await again.text()
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.state == "accepted" and kept.fields["place"]["value"] == "水南村"


async def test_a_report_is_confirmed_after_the_caller_was_reminded_that_it_must_be_true(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call, values={"event": "偷排污水", "intent": "report"})
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        assert 'name="reminded"' in await (await browser.get("/")).text()
        path = f"/tickets/{ticket.id}/confirm"
        answer = await post(browser, path, 1)
        assert answer.status == 400 and "举报内容必须真实" in await answer.text()
        assert (await post(browser, path, 1, reminded="yes")).status == 303
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and (kept.state, kept.scope) == ("accepted", "YZ-11-6") and kept.truth_reminded_at


async def test_a_conflict_is_told_and_nothing_typed_is_lost(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call, values={"place": "水南村"})
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        await tickets.edit(desk.database, ticket.id, 1, {"place": "保港"}, OTHER)
        answer = await post(browser, f"/tickets/{ticket.id}/confirm", 1, place="崖城", event="停水三天")
        assert answer.status == 409
        page = await answer.text()
    text = html.unescape(page)
    assert "您输入的内容都还在" in text and "<b>地点</b>：坐席二 8002 改为 <q>保港</q>" in text
    assert 'value="崖城"' in text and "停水三天</textarea>" in text
    assert "现在的内容：<q>保港</q>" in text
    assert 'name="version" value="2"' in text, "the next try is about what is shown now"
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.state == "draft" and kept.fields["place"]["value"] == "保港"


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/tickets/no-such/edit", {"version": "1"}, 404),
        ("/tickets/{id}/edit", {"version": "one"}, 400),
        ("/tickets/{id}/edit", {"version": ""}, 400),
        ("/tickets/{id}/edit", {"version": "1", "place": "x" * 5000}, 400),
        ("/tickets/{id}/edit", {"version": "1", "place": "a\x00b"}, 400),
        ("/tickets/{id}/edit", {"version": "1", "intent": "no_such_intent"}, 400),
        ("/tickets/{id}/clear-attention", {"version": "1"}, 403),
    ],
)
async def test_bad_forms(desk: Running, path: str, data: dict[str, str], status: int) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        token = {"form_token": await form_token(browser, "/")}
        answer = await browser.post(path.format(id=ticket.id), data=data | token)
        assert answer.status == status, await answer.text()


async def test_saving_needs_this_browsers_token(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    async with desk.signed_in() as browser:
        path, data = f"/tickets/{ticket.id}/confirm", {"version": "1"}
        assert (await browser.post(path, data=data)).status == 403
        data["form_token"] = await form_token(browser, "/")
        assert (await browser.post(path, data=data, headers={"Origin": "https://evil.example"})).status == 403
        assert (await browser.post(path, data=data, allow_redirects=False)).status == 303


async def test_the_supervisor_sees_what_needs_attention_and_clears_it(desk: Running) -> None:
    lost = a_call(state="ended", ended_at=now(), unseen=True)
    ticket = a_ticket(lost, attention="call_ended_unseen", values={"event": "停水"})
    waiting = a_call(state="waiting", agent="", answered_at=None, caller_number="13900000002", position=1)
    await desk.add(lost, ticket, waiting, a_ticket(waiting))
    async with desk.signed_in("8004") as browser:
        page = await (await browser.get("/supervisor")).text()
        assert "通话在系统中断期间结束，请核实" in page and "13900000002" in page
        assert re.search(r"<dt>等待</dt><dd>1</dd>", page) and re.search(r"<dt>未确认草稿</dt><dd>2</dd>", page)
        answer = await post(browser, f"/tickets/{ticket.id}/clear-attention", 1)
        assert answer.status == 303 and answer.headers["Location"] == "/supervisor"
        assert "没有需要处理的草稿" in await (await browser.get("/supervisor")).text()
    kept = await tickets.ticket(desk.database, ticket.id)
    assert kept and kept.attention == ""
    assert (await tickets.history(desk.database, ticket.id))[-1].actor == "班长 8004"


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)",
    "${SHELL(reboot)}",
    "{{ 7*7 }}{% raw %}",
    "a\r\nSet-Cookie: x=1",
    "a\u2028b\u2029c",
    "\u202egnp.exe",
    "a\x00b\x1b[31m",
    "😀𠮷",
    "</textarea><script>1</script>",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_stays_text(desk: Running, text: str) -> None:
    call = a_call(caller_number=text, caller_name=text + "!", called_number=text, queue=text, agent="8001")
    waiting = a_call(state="waiting", agent=text, caller_number=text)
    ended = a_call(state="ended", caller_number=text, ended_at=now(), ended_by=text)
    values = dict.fromkeys(("time", "place", "person", "event", "demand", "callback_number", "matter"), text)
    ticket = a_ticket(call, values=values)
    candidate: dict[str, Any] = {"id": text, "name": text, "score": 0.5, "words": [text], "reason": text}
    ticket.proposals = {name: [candidate] for name in ("intent", "matter", "functional_unit", "emergency_line")}
    said = [an_utterance(call, number, text, confidence=number * 0.4) for number in (1, 2)]
    await desk.add(call, waiting, ended, ticket, *said, a_ticket(ended, attention="abandoned", values=values))
    for username, path in (("8001", "/"), ("8004", "/supervisor"), ("8001", f"/?call={ended.call_id}")):
        async with desk.signed_in(username) as browser:
            answer = await browser.get(path)
            page = await answer.text()
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert "<script>" not in page and "<img" not in page and " onfocus='" not in page
        shown = html.unescape(page)
        for character, picture in (("\r", "␍"), ("\u2028", "[2028]"), ("\u202e", "[202E]"), ("\x1b", "␛")):
            assert (character not in text) or picture in shown
        if text.isprintable():
            assert text in shown


async def test_a_hostile_field_survives_a_round_through_the_form(desk: Running) -> None:
    call = a_call()
    ticket = a_ticket(call)
    await desk.add(call, ticket)
    text = "<b>\"'&lt;${SHELL(x)}</b>\n第二行</textarea>"
    async with desk.signed_in() as browser:
        assert (await post(browser, f"/tickets/{ticket.id}/edit", 1, event=text, place=text[:9])).status == 303
        page = await (await browser.get("/")).text()
    found = re.search(r'<textarea id="in-event"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found and html.unescape(found[1]) == text
    was = re.search(r'name="was_event" value="([^"]*)"', page)
    assert was and html.unescape(was[1]) == text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/?call=no-such-call", 404),
        ("/?ticket=no-such", 404),
        ("/parts?want=secrets", 400),
        ("/parts", 400),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/templates/desk.html", 404),
    ],
)
async def test_wrong_addresses(desk: Running, path: str, status: int) -> None:
    async with desk.signed_in() as browser:
        answer = await browser.get(path)
        assert answer.status == status
        assert "Traceback" not in await answer.text()


async def test_a_lost_database_is_said_in_words(desk: Running) -> None:
    async with desk.signed_in() as browser, desk.broken_database():
        page = await browser.get("/")
        assert page.status == 503 and "数据库暂时不可用" in await page.text()
        answer = await browser.get("/api/calls")
        assert answer.status == 503 and (await answer.json())["error"]["code"] == "unavailable"
