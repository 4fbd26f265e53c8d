"""What an agent does with what the machine heard, in a real browser: hear it, accept it, clear it, decide."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from ivr.events import now
from routing import tickets
from routing.further_matter import further_of
from routing.storage import Ticket
from tests.desk.recorded import recorded
from tests.desk.running_desk import Running
from tests.desk.spoken_call import SpokenCall
from tests.desk.test_desk_in_chromium import CONTRAST, at_the_desk, chromium, intake, keep_screenshot, kept
from tests.desk.test_suggestions import DIRECTORY, PLACES, REFUSED

__all__ = ["chromium", "intake"]

LIGHTS = "我 是 保港 的 路灯 坏了 两天 了"
MARKED = "[...(CSS.highlights.get('evidence') ?? [])].map(String)"


async def a_call_on_the_page(page: Page, call: SpokenCall, *said: str) -> None:
    """The call is answered here, and the caller has said this."""
    await call.arrive()
    await call.answer()
    for text in said:
        await call.say(text)
    await expect(page.locator("#said .line-caller")).to_have_count(len(said))


async def propose(desk: Running, call: SpokenCall, proposals: dict[str, Any]) -> None:
    """The machine's further proposals for the call's draft, told to the desks by the agent's next words."""
    ticket = await kept(desk, call)
    async with desk.database.begin() as session:
        changed = await session.get_one(Ticket, ticket.id)
        changed.proposals = {**changed.proposals, **proposals}
        changed.version += 1
    await call.say("好的", "agent")


async def test_a_key_shows_and_plays_what_a_field_came_from(desk: Running, chromium: Browser, intake: None) -> None:
    call, began = SpokenCall(desk.redis), now()
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, LIGHTS)
        recorded(desk.settings.recordings_dir, call.call_id, began, 6, open_still=True)
        await expect(page.locator("#field-place .badge-machine")).to_be_visible()
        await page.focus("#in-place")
        line = page.locator("#said .line-evidence")
        await expect(line).to_have_count(1)
        assert await page.evaluate(MARKED) == ["保港"]
        await page.keyboard.press("F2")
        ticket = await kept(desk, call)
        played = page.locator("#sound")
        await expect(played).to_have_attribute("data-played", f"/tickets/{ticket.id}/sound/field/place")
        await expect(played).to_have_text("")  # it ends by itself
        # By a click on the provenance, and a whole line by a click on it.
        await page.locator("#field-place .badge-machine").click()
        await expect(played).to_contain_text("正在播放")
        await line.locator(".play").click()
        said = ticket.fields["place"]["utterances"][0]
        await expect(played).to_have_attribute("data-played", f"/tickets/{ticket.id}/sound/said/{said}")
        # New words do not take the marks away.
        await page.focus("#in-place")
        await call.say("请 快 一点")
        await expect(page.locator("#said .line-caller")).to_have_count(2)
        assert await page.evaluate(MARKED) == ["保港"]
        (desk.settings.recordings_dir / f"{call.call_id}.wav").unlink()
        await page.keyboard.press("F2")
        await expect(played).to_contain_text("这通电话没有录音")


async def test_numbers_are_read_as_numbers_and_marked_where_they_were_heard(
    desk: Running, chromium: Browser, intake: None
) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, "我 电话 是 幺 三 八 七 六 五 四 三 二 幺 零")
        await expect(page.locator("#said p")).to_contain_text("我电话是13876543210")
        await expect(page.locator("#said [data-heard]")).to_have_attribute("title", "原话：幺三八七六五四三二幺零")
        await expect(page.locator("#in-callback_number")).to_have_value("13876543210")
        await page.focus("#in-callback_number")
        await expect(page.locator("#said .line-evidence")).to_have_count(1)
        assert "13876543210" in "".join(await page.evaluate(MARKED))


async def test_guesses_are_accepted_cleared_and_written_over_by_keyboard(
    desk: Running, chromium: Browser, intake: None
) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, LIGHTS)
        await expect(page.locator("#in-place")).to_have_value("保港")
        await page.focus("#in-place")
        await page.keyboard.press("F4")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        await expect(page.locator("#in-person")).to_be_focused()
        accepted = (await kept(desk, call)).fields["place"]
        assert (accepted["value"], accepted["source"], accepted["by"]) == ("保港", "agent", "坐席一 8001")
        assert accepted["words"] == ["保港"], "where it came from is kept"
        # An empty field has nothing to accept; the key only goes on.
        await page.keyboard.press("F4")
        await expect(page.locator("#in-callback_number")).to_be_focused()
        # A list that is opened to choose from is accepted the same way.
        await page.focus("#in-intent")
        await page.keyboard.press("F4")
        await expect(page.locator("#field-intent .badge-human")).to_be_visible()
        # Cleared: it stays empty, whatever is said.
        await page.focus("#in-event")
        await page.keyboard.press("F8")
        await expect(page.locator("#field-event .badge-human")).to_be_visible()
        # Typing writes over the guess of the field that the key went on to.
        await expect(page.locator("#in-time")).not_to_have_value("")
        await page.focus("#in-territorial_unit")
        await page.keyboard.press("F4")
        await page.keyboard.type("昨晚八点")
        await page.keyboard.press("F4")
        await expect(page.locator("#field-time .badge-human")).to_be_visible()
        await call.say("水南村 的 路灯 上个月 也 坏了")
        await expect(page.locator("#said .line-caller")).to_have_count(2)
        fields = (await kept(desk, call)).fields
        assert [fields[name]["value"] for name in ("time", "place", "event")] == ["昨晚八点", "保港", ""]
        assert fields["person"]["source"] == "machine"


async def test_an_acceptance_outlives_a_refresh_and_a_lost_server(
    desk: Running, chromium: Browser, intake: None
) -> None:
    call, lost = SpokenCall(desk.redis), asyncio.Event()
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, LIGHTS)
        await expect(page.locator("#in-place")).to_have_value("保港")

        async def drop(route: Any) -> None:
            lost.set()
            await route.abort()

        await page.route("**/edit", drop)
        await page.focus("#in-place")
        await page.keyboard.press("F4")
        await asyncio.wait_for(lost.wait(), 10)
        await page.unroute("**/edit")
        await page.focus("#in-demand")
        await page.keyboard.type("快修")
        await page.keyboard.press("F4")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        assert (await kept(desk, call)).fields["place"]["by"] == "坐席一 8001"


async def test_suggestions_are_taken_and_waved_away_by_one_key(desk: Running, chromium: Browser, intake: None) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, LIGHTS)
        await expect(page.locator("#part-suggestions")).to_be_hidden()
        await expect(page.locator("#field-matter .badge-machine")).to_be_visible()
        confirm_at, fields_at = (
            await page.locator("#confirm").bounding_box(),
            await page.locator("#in-place").bounding_box(),
        )
        await propose(desk, call, PLACES | DIRECTORY)
        asked = page.locator("#suggestion-place-yz\\.cun\\.haitang")
        await expect(asked).to_contain_text("请问来电人：是海棠村还是海棠区？")
        await expect(asked).to_contain_text("机器建议")
        assert await page.locator("#confirm").bounding_box() == confirm_at, "nothing jumps"
        assert await page.locator("#in-place").bounding_box() == fields_at
        assert await page.evaluate(CONTRAST) == []
        # The scope comes first: waved away with the hand on the keyboard, whatever has the focus.
        await page.focus("#in-demand")
        await page.keyboard.press("Alt+0")
        await expect(page.locator("#suggestion-scope-transfer_114")).to_have_count(0)
        await page.keyboard.press("Alt+2")
        await expect(page.locator("#in-place")).to_have_value("海棠区")
        await expect(page.locator("#field-place .badge-human")).to_be_visible()
        await expect(page.locator("#part-suggestions")).to_be_hidden()
        await expect(page.locator("#in-demand")).to_be_focused()
        assert (await kept(desk, call)).state == "draft"


async def test_a_refusal_asks_twice(desk: Running, chromium: Browser, intake: None) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk) as page:
        await a_call_on_the_page(page, call, LIGHTS)
        await expect(page.locator("#field-matter .badge-machine")).to_be_visible()
        await propose(desk, call, REFUSED)
        await expect(page.locator("#suggestion-scope-refuse")).to_be_visible()
        await page.keyboard.press("Alt+1")
        await expect(page.locator("#suggestion-scope-refuse")).to_contain_text("再按一次确认")
        assert (await kept(desk, call)).state == "draft"
        await page.keyboard.press("Alt+1")
        await expect(page.locator("#ticket-state")).to_have_text("不予受理")
        await expect(page.locator("#part-suggestions")).to_be_hidden()


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=["small", "large"])
async def test_a_further_matter_opens_a_further_draft(
    desk: Running, chromium: Browser, intake: None, size: tuple[int, int]
) -> None:
    call = SpokenCall(desk.redis)
    async with at_the_desk(chromium, desk, size=size) as page:
        await a_call_on_the_page(page, call, LIGHTS, "还有 一个 事情 我们 隔壁 烧烤店 晚上 太吵 了")
        await expect(page.locator("#field-matter .badge-machine")).to_be_visible()
        await propose(desk, call, REFUSED)
        await expect(page.locator("[id^=suggestion-other_matter-]")).to_contain_text("还说到另一件事")
        await page.focus("#in-place")
        await call.begin_to_say("你们 什么时候 能 来")
        await expect(page.locator(".line-interim")).to_be_visible()
        await keep_screenshot(page, f"desk-suggestions-{size[0]}.png")
        await page.locator("[id^=option-other_matter-]").click()
        link = page.locator(".further")
        await expect(link).to_be_visible()
        (further,) = await further_of(desk.database, (await kept(desk, call)).id)
        await link.click()
        await expect(page.locator("#ticket-title")).to_contain_text(further.serial)
        await expect(page.locator("#in-matter")).not_to_have_value("")
        await expect(page.locator("#field-matter .badge-machine")).to_be_visible()
        await expect(page.locator("#said .line-caller")).to_have_count(2)
        await page.focus("#in-event")
        await expect(page.locator("#said .line-evidence")).to_contain_text("烧烤店")
        # The words of the call go on arriving here too.
        await call.say("好的 谢谢")
        await expect(page.locator("#said .line-caller")).to_have_count(3)
        assert (await tickets.ticket_of_call(desk.database, call.call_id)) is not None
        overflow = (
            "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"
        )
        assert not await page.evaluate(overflow)
