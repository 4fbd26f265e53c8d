"""Signing in and out over HTTP: cookies, throttle, forms of other sites, headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.state import DESK
from desk.throttle import FREE_TRIES
from tests.desk.running_desk import PASSWORD, Running, form_token, running_desk
from tests.services import RedisServer


async def test_the_right_password_opens_the_desk(desk: Running) -> None:
    async with desk.browser() as browser:
        answer = await browser.get("/supervisor", allow_redirects=False)
        assert answer.status == 303 and answer.headers["Location"] == "/sign-in?next=/supervisor"
        answer = await desk.sign_in(browser, "8004", next="/supervisor")
        assert answer.status == 303 and answer.headers["Location"] == "/supervisor"
        cookie = next(text for text in answer.headers.getall("Set-Cookie") if "hotline_session" in text)
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Max-Age=43200" in cookie
        assert "Secure" not in cookie
        assert (await browser.get("/supervisor")).status == 200
        # Who is signed in already needs no form.
        answer = await browser.get("/sign-in", allow_redirects=False)
        assert answer.status == 303


async def test_behind_https_cookies_are_secure(tmp_path: Path, template: Path, redis_of_session: RedisServer) -> None:
    options = {"web.secure_cookies": "true", "web.session_hours": "3"}
    opened = running_desk(tmp_path, template, redis_of_session.url, **options)
    async with opened as desk, desk.browser() as browser:
        page = await browser.get("/sign-in")
        assert "Secure" in page.headers["Set-Cookie"]


@pytest.mark.parametrize(("username", "password"), [("8001", "wrong"), ("nobody", PASSWORD), ("8001", "x" * 5000)])
async def test_a_wrong_password_says_no_more_than_that(desk: Running, username: str, password: str) -> None:
    async with desk.browser() as browser:
        answer = await desk.sign_in(browser, username, password)
        assert answer.status == 401
        assert "账号或密码不对" in await answer.text()
        assert not any("hotline_session" in text for text in answer.headers.getall("Set-Cookie", []))
        assert (await browser.get("/", allow_redirects=False)).status == 303


async def test_guessing_is_slowed_down_and_never_locked_out(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a slow machine checking a password takes longer than the first wait: here no time passes.
    monkeypatch.setattr(desk.app[DESK].throttle, "_clock", lambda: 0.0)
    async with desk.browser() as browser:
        for _ in range(FREE_TRIES):
            assert (await desk.sign_in(browser, "8001", "wrong")).status == 401
        answer = await desk.sign_in(browser, "8001", PASSWORD)
        assert answer.status == 429 and answer.headers["Retry-After"] == "1"
        assert "请 1 秒后再试" in await answer.text()
        # Another account from the same place is not held up.
        assert (await desk.sign_in(browser, "8002")).status == 303


async def test_forms_of_other_sites_are_refused(desk: Running) -> None:
    async with desk.browser() as browser:
        token = await form_token(browser, "/sign-in")
        data = {"username": "8001", "password": PASSWORD}
        assert (await browser.post("/sign-in", data=data)).status == 403
        assert (await browser.post("/sign-in", data=data | {"form_token": "0" * 64})).status == 403
        assert (await browser.post("/sign-in", data=data | {"form_token": "号"})).status == 403
        data["form_token"] = token
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert (await browser.post("/sign-in", data=data, headers=headers)).status == 403
        good = await browser.post("/sign-in", data=data, headers={"Origin": desk.url}, allow_redirects=False)
        assert good.status == 303


async def test_a_token_of_another_browser_is_refused(desk: Running) -> None:
    async with desk.browser() as one, desk.browser() as other:
        stolen = await form_token(one, "/sign-in")
        await other.get("/sign-in")
        data = {"username": "8001", "password": PASSWORD, "form_token": stolen}
        assert (await other.post("/sign-in", data=data)).status == 403


async def test_signing_out_ends_the_session_in_the_database_too(desk: Running) -> None:
    async with desk.signed_in() as browser:
        cookies = {cookie.key: cookie.value for cookie in browser.cookie_jar}
        token = await form_token(browser, "/")
        answer = await browser.post("/sign-out", data={"form_token": token}, allow_redirects=False)
        assert answer.status == 303 and answer.headers["Location"] == "/sign-in"
    async with desk.browser() as thief:
        answer = await thief.get("/", cookies=cookies, allow_redirects=False)
        assert answer.status == 303 and answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nX: y"])
async def test_the_sign_in_leads_nowhere_else(desk: Running, target: str) -> None:
    async with desk.browser() as browser:
        answer = await desk.sign_in(browser, "8001", next=target)
        assert answer.headers["Location"] == "/"


async def test_every_answer_carries_the_security_headers(desk: Running) -> None:
    async with desk.signed_in() as browser:
        for path in ("/", "/sign-in", "/static/desk.js", "/nothing", "/healthz", "/api/calls", "/api/nothing"):
            answer = await browser.get(path)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
        assert (await browser.get("/")).headers["Cache-Control"] == "no-store"


async def test_no_page_holds_a_script_or_style_of_its_own(desk: Running) -> None:
    async with desk.signed_in("8004") as browser:
        for path in ("/", "/supervisor", "/nothing"):
            text = await (await browser.get(path)).text()
            assert "<style" not in text and " style=" not in text and " onclick" not in text
            assert text.count("<script") == text.count('<script type="module" src="/static/desk.js"></script>')
