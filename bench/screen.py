"""From the agent's answer to the ticket on the agent's screen: a real softphone, a real browser, real calls.

The begin is the moment that the bridge notes for the answer (the event's own time), the end the moment at which the
page holds the call's ticket, by the same machine's clock.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
from datetime import datetime
from pathlib import Path

from playwright.async_api import Page, async_playwright

from front.calling import place_call
from front.instance import Instance
from front.softphone import Softphone

_WATCH = """() => {
  window.shown = {};
  const look = () => {
    const call = document.getElementById('part-transcript')?.dataset.subject;
    if (call && document.getElementById('ticket-form') && !(call in window.shown)) window.shown[call] = Date.now();
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, attributes: true});
}"""

_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip


async def main(folder: Path, *, calls: int = 20) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md."""
    instance = Instance(folder / "h", {"call.record": "false"})
    await instance.start()
    delays: list[float] = []
    try:
        phone = Softphone("8001", instance.sip_password("8001"), "127.0.0.1", instance.ports["sip"], folder / "phone")
        await phone.start()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_CHROMIUM))
            page = await browser.new_page()
            await _sign_in(page, instance)
            await page.evaluate(_WATCH)
            for number in range(calls):
                await place_call(
                    caller=f"1360000{number:04d}",
                    called="12345",
                    sip_host="127.0.0.1",
                    sip_port=instance.ports["sip"],
                    seconds=9,
                    workdir=folder / f"call-{number}",
                )
                await asyncio.sleep(5.5)  # the agent's wrap-up time
            shown = await page.evaluate("window.shown")
            for call in (await instance.api("/api/calls"))["calls"]:
                if call["answered_at"] and call["call_id"] in shown:
                    answered = datetime.fromisoformat(call["answered_at"]).timestamp() * 1000
                    delays.append(shown[call["call_id"]] - answered)
            await browser.close()
        await phone.stop()
    finally:
        await instance.stop()
    if len(delays) < 2:
        return f"only {len(delays)} of {calls} calls were seen on the screen"
    p95 = statistics.quantiles(delays, n=20)[-1]
    return (
        "| calls | seen | p50 | p95 | longest |\n|---|---|---|---|---|\n"
        f"| {calls} | {len(delays)} | {statistics.median(delays):.0f} ms | {p95:.0f} ms | {max(delays):.0f} ms |"
    )


async def _sign_in(page: Page, instance: Instance) -> None:
    await page.goto(instance.web + "/sign-in")
    await page.fill("input[name=username]", "8001")
    await page.fill("input[name=password]", instance.desk_password("8001"))
    await page.click("button")
    await page.wait_for_selector("#part-calls")
