"""An agent at work in a real browser: real events on the stream, the real intake, Chromium."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Dialog, Page, Route, async_playwright, expect

from routing import tickets
from routing.intake import Intake
from routing.tickets import Actor
from tests.desk.running_desk import PASSWORD, Running, running_desk
from tests.desk.spoken_call import SpokenCall
from tests.services import RedisServer

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OTHER = Actor("坐席二 8002", "agent")
expect.set_options(timeout=20_000)  # for all that use the browser: a machine with much to do is slow, not wrong


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Debian's chromium is needed (apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture
async def intake(desk: Running) -> AsyncIterator[None]:
    async with an_intake(desk):
        yield


@asynccontextmanager
async def an_intake(desk: Running) -> AsyncIterator[None]:
    """The real intake, turning events into calls and tickets."""
    task = asyncio.create_task(Intake(desk.database, desk.redis, desk.law, consumer="test").run())
    try:
        yield
    finally:
        while not task.done():  # a cancellation can get lost in Python 3.11's wait_for
            task.cancel()
            await asyncio.wait([task], timeout=0.2)


@asynccontextmanager
async def at_the_desk(
    chromium: Browser,
    desk: Running,
    username: str = "8001",
    *,
    size: tuple[int, int] = (1366, 768),
    asked: list[str] | None = None,
) -> AsyncIterator[Page]:
    """A page where `username` is signed in. Errors of the page, or of its security policy, fail the test; so does a
    question that it asks, unless `asked` takes it. Questions are answered with yes.
    """
    width, height = size
    context = await chromium.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    context.set_default_timeout(30_000)
    name, token = await desk.session_cookie(username)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda problem: wrong.append(str(problem)))
    page.on("console", lambda message: wrong.append(message.text) if "Security Policy" in message.text else None)

    async def answer(dialog: Dialog) -> None:
        (wrong if asked is None else asked).append(f"{dialog.type}: {dialog.message}")
        await dialog.accept()  # unanswered, it would hold the page up for ever

    page.on("dialog", answer)
    await context.add_cookies([{"name": name, "value": token, "url": desk.url}])
    await page.goto(desk.url)
    await expect(page.locator("#feed")).to_have_attribute("data-state", "live")
    yield page
    assert wrong == []
    await context.close()


async def kept(desk: Running, call: SpokenCall) -> tickets.Ticket:
    """The call's ticket in the database."""
    ticket = await tickets.ticket_of_call(desk.database, call.call_id)
    assert ticket
    return ticket


async def being_said(page: Page, call: SpokenCall, text: str, shown: str) -> None:
    """Say a text until the page shows it: an interim text that is told while the page connects is lost."""
    async with asyncio.timeout(20):
        while shown not in "".join(await page.locator(".line-interim p").all_text_contents()):
            await call.begin_to_say(text)
            await asyncio.sleep(0.05)


async def keep_screenshot(page: Page, name: str) -> None:
    """Keep what the page looks like for people to see."""
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / name)


async def test_signing_in_leads_to_the_desk(desk: Running, chromium: Browser) -> None:
    page = await chromium.new_page()
    await page.goto(desk.url)
    await expect(page.locator("#username")).to_be_focused()
    await page.keyboard.type("8001")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#feed")).to_have_attribute("data-state", "live")
    await expect(page.locator(".me")).to_contain_text("坐席一")
    await page.get_by_role("button", name="退出").click()
    await expect(page.locator("#password")).to_be_visible()
    await page.close()


async def test_a_call_from_ringing_to_the_confirmed_ticket(desk: Running, chromium: Browser, intake: None) -> None:
    call, other = SpokenCall(desk.redis), SpokenCall(desk.redis, agent="8002", caller="13900000002")
    async with at_the_desk(chromium, desk) as page:
        await expect(page.locator("#transcript-blank")).to_be_visible()
        await other.arrive()
        await expect(page.locator("#calls-rows")).to_contain_text("13900000002")
        await call.arrive()
        row = page.locator(f"#call-{call.call_id}")
        await expect(row).to_contain_text("等待中")
        await call.ring()
        await expect(row).to_contain_text("正在呼叫您")
        assert "call=" not in page.url, "ringing opens nothing"

        # Answering opens the call without a click.
        await call.answer()
        await expect(page).to_have_url(re.compile(call.call_id))
        await expect(page.locator("#transcript-title")).to_have_text("13800000001")
        await expect(row).to_contain_text("通话中")
        await other.answer()
        await expect(page.locator("#calls-rows")).to_contain_text("坐席二 8002")
        assert call.call_id in page.url, "other agents' calls do not open here"
        confirm_at = await page.locator("#confirm").bounding_box()

        # The text that is being spoken, then the final one in its place.
        said = page.locator("#said-scroll")
        await being_said(page, call, "你好 我 想 反映", shown="你好我想反映")
        await being_said(page, call, "你好 我 想 反映 一下 保港 的 路灯 [unk]", shown="一下保港的路灯□□")
        await call.say("你好 我 想 反映 一下 保港 的 路灯 坏了 两天 了 [unk]", unsure=("反映",))
        await expect(said.locator("#said .line-caller")).to_contain_text("你好，我想反映一下保港的路灯坏了两天了□□")
        await expect(said.locator(".line-interim")).to_have_count(0)
        await expect(said.locator(".unsure")).to_have_text("反映")

        # The machine fills the draft and says so.
        place, event = page.locator("#field-place"), page.locator("#field-event")
        await expect(place.locator("input[name=place]")).to_have_value("保港")
        await expect(place.locator(".badge-machine")).to_have_text(re.compile(r"机器填写 \d+%"))
        await expect(event.locator("textarea")).to_have_value(re.compile("路灯"))
        await expect(page.locator("#in-matter")).to_have_value("路灯不亮或损坏")
        await expect(page.locator("#field-functional_unit .proposal").first).to_contain_text("%")
        why = place.locator(".why")
        await expect(why).to_be_hidden()
        await place.hover()
        await expect(why).to_contain_text("保港")
        await expect(why).to_be_visible()
        await page.focus("#in-place")
        await expect(said.locator(".line-evidence")).to_contain_text("保港")
        await keep_screenshot(page, "desk.png")

        # What the agent types stays, while the machine goes on beside it.
        await page.fill("#in-person", "符先生")
        await page.focus("#in-place")
        await expect(page.locator("#field-person .badge-human")).to_be_visible()
        await page.keyboard.press("End")
        await page.keyboard.type("社区居委会前")
        await call.say("我 姓 符 就 在 保港 社区 那边 希望 尽快 派人 来 修")
        await expect(page.locator("#in-demand")).to_have_value(re.compile("修"))
        await expect(page.locator("#in-place")).to_have_value("保港社区居委会前")
        await expect(place.locator(".badge-typing")).to_be_visible()
        await expect(place.locator(".badge-machine")).to_be_hidden()
        assert await page.evaluate("document.activeElement.id") == "in-place", "the focus stays where it is typed"
        await expect(page.locator("#in-person")).to_have_value("符先生")

        # A proposal is taken with one click.
        unit = page.locator("#field-territorial_unit .proposal").first
        await unit.click()
        await expect(page.locator("#field-place .badge-human")).to_be_visible()

        # The call ends, the draft stays until it is confirmed.
        await call.end()
        await expect(page.locator("#transcript-head")).to_contain_text("来电人挂机")
        await expect(page.locator("#draft-" + (await kept(desk, call)).id)).to_be_visible()
        assert await page.locator("#confirm").bounding_box() == confirm_at, "nothing jumped"
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#ticket-state")).to_have_text("已受理")
        await expect(page.locator("#ticket-foot")).to_contain_text("坐席一 8001")
        await expect(page.locator("#drafts-none")).to_be_visible()

    ticket = await kept(desk, call)
    assert ticket.state == "accepted" and ticket.accepted_by == "坐席一 8001"
    assert ticket.fields["place"]["value"] == "保港社区居委会前" and ticket.fields["place"]["source"] == "agent"
    assert ticket.fields["person"]["value"] == "符先生"
    assert ticket.fields["event"]["source"] == "machine", "what nobody touched stays the machine's"


async def test_two_people_at_one_draft(desk: Running, chromium: Browser, intake: None) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#ticket-form")).to_be_visible()
        await page.fill("#in-place", "崖城")  # typed, not left: not saved yet
        await page.wait_for_timeout(100)
        ticket = await kept(desk, call)
        await tickets.edit(desk.database, ticket.id, ticket.version, {"place": "保港", "person": "符先生"}, OTHER)
        # Nobody has told this browser. It learns when it confirms, and keeps what was typed.
        await page.keyboard.press("Control+Enter")
        message = page.locator("#ticket-message")
        await expect(message).to_contain_text("您输入的内容都还在")
        await expect(message).to_contain_text("地点：坐席二 8002 改为 保港")
        await expect(page.locator("#in-place")).to_have_value("崖城")
        await expect(page.locator("#in-person")).to_have_value("符先生")
        note = page.locator("#field-place .elsewhere")
        await expect(note).to_contain_text("坐席二 8002 改为：保港")
        # Later news does not take the message away before it was read.
        await call.say("请 快 一点")
        await expect(page.locator("#said")).to_contain_text("请快一点")
        await expect(message).to_contain_text("您输入的内容都还在")
        # Leaving the field decides nothing. Theirs is taken with one click; then it is confirmed.
        await page.focus("#in-time")
        await page.wait_for_timeout(200)
        assert (await kept(desk, call)).fields["place"]["value"] == "保港"
        await note.get_by_role("button", name="采用").click()
        await expect(page.locator("#in-place")).to_have_value("保港")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#ticket-state")).to_have_text("已受理")
    assert (await kept(desk, call)).fields["place"]["by"] == "坐席二 8002"


async def test_mine_is_kept_when_i_say_so(desk: Running, chromium: Browser, intake: None) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#ticket-form")).to_be_visible()
        await page.fill("#in-place", "崖城")
        ticket = await kept(desk, call)
        await tickets.edit(desk.database, ticket.id, ticket.version, {"place": "保港"}, OTHER)
        await call.say("请 快 一点")
        await page.locator("#field-place").get_by_role("button", name="保留我的").click()
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        await expect(page.locator("#field-place .elsewhere")).to_have_count(0)
    kept_place = (await kept(desk, call)).fields["place"]
    assert (kept_place["value"], kept_place["by"]) == ("崖城", "坐席一 8001")


async def test_a_draft_confirmed_elsewhere_keeps_what_was_typed_in_sight(
    desk: Running, chromium: Browser, intake: None
) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#ticket-form")).to_be_visible()
        await page.fill("#in-event", "我打了很多字")
        ticket = await kept(desk, call)
        await tickets.confirm(desk.database, ticket.id, ticket.version, {}, OTHER, jurisdiction=desk.law)
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#ticket-state")).to_have_text("已受理")
        await expect(page.locator("#field-event .elsewhere")).to_contain_text("您输入的内容没有保存：我打了很多字")


async def test_the_next_call_opens_and_unsaved_text_comes_back(desk: Running, chromium: Browser, intake: None) -> None:
    first, second = SpokenCall(desk.redis), SpokenCall(desk.redis, caller="13700000003")
    async with at_the_desk(chromium, desk) as page:
        await first.arrive()
        await first.answer()
        await expect(page.locator("#transcript-title")).to_have_text("13800000001")
        await page.fill("#in-event", "还没写完")
        await page.fill("#in-functional_unit", "没有这个单位")  # cannot be saved
        await expect(page.locator("#field-functional_unit")).to_have_class(re.compile("is-dirty"))
        await first.end()
        await second.arrive()
        await second.answer()
        await expect(page.locator("#transcript-title")).to_have_text("13700000003")
        await expect(page.locator("#in-event")).to_have_value("")
        assert (await kept(desk, first)).fields["event"]["value"] == "还没写完", "what could be saved was"
        await page.locator(f"#draft-{(await kept(desk, first)).id} a").click()
        await expect(page.locator("#transcript-title")).to_have_text("13800000001")
        await expect(page.locator("#in-event")).to_have_value("还没写完")
        await expect(page.locator("#in-functional_unit")).to_have_value("没有这个单位")
        # The call that is talked in does not push itself to the front again.
        await second.say("你好 停水 了")
        await expect(page.locator("#drafts-rows")).to_be_visible()
        await page.wait_for_timeout(600)
        await expect(page.locator("#transcript-title")).to_have_text("13800000001")
        await page.fill("#in-functional_unit", "没有这个单位呀")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#field-functional_unit .field-error")).to_contain_text("请从列表中选择")
        await page.go_back()
        await expect(page.locator("#transcript-title")).to_have_text("13700000003")
        await expect(page.locator("#in-event")).to_have_value(re.compile("停水"))
        await page.go_back()


async def test_leaving_while_a_save_is_under_way_is_asked_about(desk: Running, chromium: Browser, intake: None) -> None:
    call, asked, held = SpokenCall(desk.redis), list[str](), asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    async with at_the_desk(chromium, desk, "8004", asked=asked) as page:
        await call.arrive()
        await page.locator(f"#open-{call.call_id}").click()
        await expect(page.locator("#ticket-form")).to_be_visible()
        await page.route("**/edit", hold)
        await page.fill("#in-place", "保港社区")
        await page.focus("#in-time")
        await page.goto(f"{desk.url}/supervisor")
        assert [question.partition(":")[0] for question in asked] == ["beforeunload"]
        held.set()
        # Saved, nothing is asked.
        await page.goto(f"{desk.url}/?call={call.call_id}")
        await page.fill("#in-place", "保港社区")
        await page.focus("#in-time")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        await page.goto(f"{desk.url}/supervisor")
        assert len(asked) == 1


async def test_redis_goes_and_the_desk_goes_on(
    tmp_path: Path, template: Path, own_redis: RedisServer, chromium: Browser
) -> None:
    opened = running_desk(tmp_path / "own", template, own_redis.url)
    async with opened as desk, an_intake(desk), at_the_desk(chromium, desk) as page:
        call = SpokenCall(desk.redis)
        await call.arrive()
        await call.answer()
        await expect(page.locator("#transcript-title")).to_have_text("13800000001")
        own_redis.kill()
        await expect(page.locator("#feed")).to_have_text("实时更新中断，每 3 秒刷新一次")
        await expect(page.locator("#part-banners")).to_contain_text("Redis（事件通道）异常")
        await page.fill("#in-place", "水南村")
        await page.focus("#in-time")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        ticket = await kept(desk, call)
        await tickets.edit(desk.database, ticket.id, ticket.version, {"person": "符先生"}, OTHER)
        await expect(page.locator("#in-person")).to_have_value("符先生")  # by polling
        own_redis.start()
        await expect(page.locator("#feed")).to_have_text("实时")
        await expect(page.locator("#part-banners .banner")).to_have_count(0)
        await call.say("水南村 停水 两天 了")
        await expect(page.locator("#said")).to_contain_text("水南村停水两天了")


async def test_hostile_words_are_only_words(desk: Running, chromium: Browser, intake: None) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    call = SpokenCall(desk.redis, caller=attack)
    async with at_the_desk(chromium, desk) as page:
        await call.arrive()
        await call.answer()
        await expect(page.locator("#transcript-title")).to_have_text(attack)
        await being_said(page, call, attack, shown=attack)
        await call.say(f"{attack} 停水")
        await expect(page.locator("#said p")).to_contain_text("<script>alert(2)</script>")
        ticket = await kept(desk, call)
        await page.fill("#in-place", "x")
        await tickets.edit(desk.database, ticket.id, ticket.version, {"place": attack}, OTHER)
        await call.say("请 快 一点")
        await expect(page.locator("#field-place .elsewhere q")).to_have_text(attack)
        assert await page.locator("main img, main script").count() == 0
        await page.fill("#in-place", "")
        await page.keyboard.press("Tab")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()


CONTRAST = """() => {
  const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (el) => { for (; el; el = el.parentElement) { const c = rgb(getComputedStyle(el).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; if (c[3] > 0) return [NaN]; } return [255, 255, 255]; };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !el.checkVisibility({ visibilityProperty: true })) continue;
    const pair = [light(rgb(getComputedStyle(el).color)), light(ground(el))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (!(ratio >= 4.5)) poor.push(`${ratio.toFixed(2)} ${el.className} ${walk.currentNode.data.trim().slice(0, 20)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
async def test_it_fits_and_can_be_read(desk: Running, chromium: Browser, intake: None, size: tuple[int, int]) -> None:
    desk.health["asterisk"] = "AMI 断开"
    call, lost = SpokenCall(desk.redis), SpokenCall(desk.redis, caller="13700000004")
    await lost.arrive()
    await lost.end()
    async with at_the_desk(chromium, desk, "8004", size=size) as page:
        await call.arrive()
        await page.locator(f"#open-{call.call_id}").click()
        await call.answer(model="demo")
        await call.begin_to_say("你好", "agent")
        await call.say("保港 的 路灯 坏了 有人 晕倒 了 快 叫 救护车", unsure=("晕倒",))
        await expect(page.locator("#danger")).to_contain_text("120 急救")
        await page.fill("#in-place", "保港社区")
        await expect(page.locator("#part-banners")).to_contain_text("演示模型，只适用于合成语音")
        await keep_screenshot(page, f"desk-{size[0]}.png")
        assert await page.evaluate(CONTRAST) == []
        overflow = (
            "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"
        )
        assert not await page.evaluate(overflow)
        # Everything can be reached with the keyboard, in the order of the form, and is seen to have the focus.
        order = ["time", "place", "person", "callback_number", "event", "demand", "intent", "urgency", "matter"]
        await page.focus("#in-time")
        for name in order:
            assert await page.evaluate("document.activeElement.name") == name
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            await page.keyboard.press("Tab")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()  # left unsaved, the page would ask
        await page.goto(f"{desk.url}/supervisor")
        await expect(page.locator("#attention-rows")).to_contain_text("来电未被接听，请回拨")
        await expect(page.locator("#overview-calls")).to_contain_text("13800000001")
        await keep_screenshot(page, f"supervisor-{size[0]}.png")
        assert await page.evaluate(CONTRAST) == []
        await call.say("快 一点")
        await call.end()
        await expect(page.locator("#overview-calls")).to_contain_text("没有进行中的来电")
