"""The linkage's panel, the alarms and the supervisor's page in a real browser: real events, the real intake."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from ivr.commands import DropLine, LeaveLinkage, LinkLines, Mute
from ivr.events import now
from routing.linkage.proposals import propose_linkage
from routing.linkage.tables import LineRehearsal
from tests.desk.answering_bridge import AnsweringBridge, answering_bridge
from tests.desk.linked_call import LinkedCall
from tests.desk.running_desk import Running
from tests.desk.test_desk_in_chromium import CONTRAST, SWITCHES, an_intake, at_the_desk, keep_screenshot

PATIENCE = 60_000
"""Milliseconds that a busy machine may take for what is instant on an idle one."""

OVERFLOWS = "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"


@asynccontextmanager
async def sitting(
    browser: Browser, desk: Running, username: str = "8001", *, size: tuple[int, int] = (1366, 768)
) -> AsyncIterator[Page]:
    """At the desk, with patience."""
    async with at_the_desk(browser, desk, username, size=size) as page:
        page.context.set_default_timeout(PATIENCE)
        yield page


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    program = shutil.which("chromium")
    assert program, "Debian's chromium is needed (apt-get install chromium)"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield started
        await started.close()


@pytest.fixture
async def applied(desk: Running) -> AsyncIterator[None]:
    async with an_intake(desk):
        yield


@pytest.fixture
async def bridge(desk: Running) -> AsyncIterator[AnsweringBridge]:
    async with answering_bridge(desk.redis) as answering:
        yield answering


async def taken(page: Page, bridge: AnsweringBridge, count: int) -> None:
    """Wait until the bridge has taken so many commands."""
    for _ in range(PATIENCE // 20):
        if len(bridge.taken) >= count:
            return
        await page.wait_for_timeout(20)
    raise TimeoutError(f"{len(bridge.taken)} commands were taken, not {count}")


async def test_from_the_button_to_the_end(
    desk: Running, browser: Browser, applied: None, bridge: AnsweringBridge
) -> None:
    call = LinkedCall(desk.redis)
    async with sitting(browser, desk) as page:
        await expect(page.locator("#part-linkage")).to_be_hidden()
        await call.arrive()
        await call.answer()
        fire = page.locator("#line-119")
        await expect(fire).to_be_enabled()
        await call.say("保港 社区 家里 着火 了 有人 受伤")
        await expect(page.locator("#in-place")).to_have_value("保港社区")

        # Pressed twice in a moment, it is asked for once or asked for again, which the bridge leaves as it is.
        await fire.dblclick()
        await taken(page, bridge, 1)
        first = bridge.taken[0]
        assert isinstance(first, LinkLines) and first.lines == ("119",) and first.who == "8001"
        assert first.address == "保港社区"

        await call.ask_for("119", "120")
        await expect(page.locator("#part-linkage")).to_have_class("panel linkage is-active")
        await expect(fire).to_be_disabled()
        await expect(page.locator("#read-out")).to_contain_text("保港社区")
        await call.join("caller", "13800000001")
        await call.join("agent", "8001")
        await call.attempt("119", 1, "dialling")
        await expect(fire).to_contain_text("呼叫中")
        await call.attempt("119", 1, "busy", "SIP 486 Busy Here")
        await expect(fire).to_contain_text("改拨下一号码")
        await call.attempt("119", 2, "ringing")
        await expect(fire).to_contain_text("振铃")
        await call.attempt("119", 2, "answered")
        await call.join("line", "119")
        await call.attempt("120", 1, "no_answer")
        await call.exhaust("120")
        await expect(fire).to_contain_text("已接通")
        await expect(page.locator("#line-120")).to_contain_text("未接通")
        await expect(page.locator("#linkage-facts")).to_contain_text("119 第1次 拨 119：忙（SIP 486 Busy Here）")
        await expect(page.locator(".parties")).to_contain_text("坐席一 8001")
        await expect(page.locator("#part-alarms")).to_contain_text("120 所有号码均未接通")
        await keep_screenshot(page, "linkage.png")
        assert await page.evaluate(CONTRAST) == []
        assert not await page.evaluate(OVERFLOWS)

        # Somebody is muted, a line is taken out, the agent leaves: each a command.
        before = len(bridge.taken)
        await page.locator("#mute-line-119").click()
        await taken(page, bridge, before + 1)
        muted = bridge.taken[-1]
        assert isinstance(muted, Mute) and (muted.party, muted.line) == ("line", "119")
        await call.mute("line", "119")
        await expect(page.locator("#mute-line-119")).to_have_text("取消静音")
        await page.locator("#drop-119").click()
        await taken(page, bridge, before + 2)
        assert isinstance(bridge.taken[-1], DropLine)
        await page.locator("#linkage-leave").click()
        await expect(page.locator("#linkage-leave")).to_have_text("再按一次确认")
        assert len(bridge.taken) == before + 2, "leaving the caller is asked twice"
        await page.locator("#linkage-leave").click()
        await taken(page, bridge, before + 3)
        assert isinstance(bridge.taken[-1], LeaveLinkage)
        await call.leave("agent", "8001", "left")
        await expect(page.locator(".linkage-alone")).to_be_visible()

        # Who accepted, also after the call.
        await call.end_linkage()
        await call.end()
        await expect(page.locator("#transcript-head")).to_contain_text("来电人挂机")
        await expect(fire).to_be_disabled()
        await page.locator("#duty-party").select_option("119")
        await page.locator("#duty-save").click()
        await expect(page.locator(".duty-said")).to_contain_text("119 受理")


async def test_by_keyboard_alone(desk: Running, browser: Browser, applied: None, bridge: AnsweringBridge) -> None:
    call = LinkedCall(desk.redis)
    async with sitting(browser, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#line-119")).to_be_enabled()
        await page.focus("#in-event")
        await page.keyboard.press("F9")
        assert await page.evaluate("document.activeElement.id") == "line-110"
        await page.keyboard.type("120")
        await taken(page, bridge, 1)
        assert isinstance(bridge.taken[0], LinkLines) and bridge.taken[0].lines == ("120",)
        assert await page.evaluate("document.activeElement.id") == "line-120"
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        # 114 is no emergency line: it is asked for twice.
        await page.keyboard.press("F9")
        await page.keyboard.type("114")
        await expect(page.locator("#line-114")).to_contain_text("再按一次确认")
        await page.keyboard.press("Enter")
        await taken(page, bridge, 2)
        assert isinstance(bridge.taken[1], LinkLines) and bridge.taken[1].lines == ("114",)
        assert await page.input_value("#in-event") == "", "digits for a line are typed into no field"


async def test_when_it_is_not_carried_out_the_page_says_what_to_do(
    desk: Running, browser: Browser, applied: None
) -> None:
    call = LinkedCall(desk.redis)
    async with sitting(browser, desk) as page:
        await call.arrive()
        await call.answer()
        await page.locator("#line-119").click()
        message = page.locator("#linkage-message")
        await expect(message).to_contain_text("*119")
        await expect(message).to_have_class("linkage-message is-trouble")
        await page.route("**/api/calls/**", lambda route: route.abort())
        await page.locator("#line-120").click()
        await expect(message).to_contain_text("请在话机上按 *120")


async def test_an_alarm_on_every_desk_until_somebody_has_seen_it(
    desk: Running, browser: Browser, applied: None, bridge: AnsweringBridge
) -> None:
    call = LinkedCall(desk.redis)
    async with sitting(browser, desk, "8001") as one, sitting(browser, desk, "8004") as other:
        await other.goto(f"{desk.url}/supervisor")
        await call.arrive()
        await call.ask_for("119", by="caller", via="digit", who="")
        for page in (one, other):
            await expect(page.locator("#part-alarms")).to_contain_text("来电人要求紧急联动 119")
            assert (await page.title()).startswith("⚠ ")
            assert int(await page.evaluate("document.body.dataset.rung")) >= 1
        await expect(one.locator("#calls-rows")).to_contain_text("联动 119")
        await one.locator(".alarm-open").click()
        await expect(one.locator("#transcript-title")).to_have_text("13800000001")
        await keep_screenshot(one, "linkage-alarm.png")
        await one.get_by_role("button", name="知道了").click()
        for page in (one, other):
            await expect(page.locator(".alarm")).to_have_count(0)


async def test_what_the_caller_said_is_proposed(
    desk: Running, browser: Browser, applied: None, bridge: AnsweringBridge
) -> None:
    call = LinkedCall(desk.redis)
    async with sitting(browser, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#line-119")).to_be_enabled()
        attack = "<img src=x onerror=alert(1)>"
        await propose_linkage(desk.database, desk.redis, call.call_id, ["119", "120"], ["着火", attack])
        await expect(page.locator("#part-alarms")).to_contain_text(f"来电人说到“着火、{attack}”")
        await page.locator("#take-proposal").click()
        await taken(page, bridge, 1)
        assert isinstance(bridge.taken[0], LinkLines) and bridge.taken[0].lines == ("119", "120")
        await call.ask_for("119", "120")
        await expect(page.locator(".alarm-proposal")).to_have_count(0)
        await propose_linkage(desk.database, desk.redis, call.call_id, ["110"], ["打架"])
        await page.locator("#part-alarms").get_by_role("button", name="不是紧急情况").click()
        await expect(page.locator(".alarm-proposal")).to_have_count(0)


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=["small", "large"])
async def test_the_supervisors_page(
    desk: Running, browser: Browser, applied: None, bridge: AnsweringBridge, size: tuple[int, int]
) -> None:
    for line, result in (("110", "connected"), ("119", "failed")):
        await desk.add(
            LineRehearsal(
                line=line,
                occasion="o",
                by="schedule",
                at=now(),
                ended_at=now(),
                result=result,
                number="0898110",
                trunk="carrier",
                code="" if result == "connected" else "rehearsal_failed",
                detail="" if result == "connected" else "对方忙（SIP 486）",
            )
        )
    first, second = LinkedCall(desk.redis), LinkedCall(desk.redis, caller="13900000002", agent="8002")
    async with sitting(browser, desk, "8004", size=size) as page:
        for call in (first, second):
            await call.arrive()
            await call.answer()
        await first.ask_for("119", "110")
        await first.attempt("119", 1, "answered")
        await first.attempt("110", 1, "busy", "SIP 486")
        await first.exhaust("110")
        await first.end_linkage()
        await first.end()
        await page.goto(f"{desk.url}/linkages")
        await expect(page.locator("#linkage-list")).to_contain_text("110 未接通")
        await second.ask_for("120", by="caller", via="digit", who="")
        await expect(page.locator("#linkage-list")).to_contain_text("进行中")
        await expect(page.locator("#linkage-numbers")).to_contain_text("本月与110联动")
        await expect(page.locator("#linkage-standings")).to_contain_text("演练没有接通")
        await expect(page.locator("#linkage-standings")).to_contain_text("从未演练")
        await keep_screenshot(page, f"linkages-{size[0]}.png")
        assert await page.evaluate(CONTRAST) == []
        assert not await page.evaluate(OVERFLOWS)
    async with desk.signed_in("8001") as agent, agent.get("/linkages", allow_redirects=False) as answer:
        assert answer.status == 403
