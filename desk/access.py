"""Who asks, and whether they may: sessions for people, tokens for programs, and forms that only our pages send."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import secrets
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from desk import accounts
from desk.state import DESK
from routing.tickets import Actor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NOT_IN_COMMANDS = re.compile(r"[^0-9A-Za-z_.@-]")

PERSON = web.RequestKey("person", accounts.Account)
"""The signed-in person, in requests to pages."""

FRAGMENT_HEADER = "Desk-Fragment"
"""Set by desk.js: it wants a piece of the page, not a page, and no redirects."""


@dataclass(frozen=True)
class Form:
    """A form that one of our pages sent, checked."""

    values: Mapping[str, object]

    def text(self, name: str) -> str | None:
        """A text field, or None when it is not there."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def page(*roles: str) -> Callable[[Handler], Handler]:
    """For pages: signed-in people of these roles only (none given: of any). Others sign in first, or get 403."""

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def checked(request: web.Request) -> web.StreamResponse:
            person = await person_of(request)
            if person is None:
                if request.method != "GET" or FRAGMENT_HEADER in request.headers or request.path == "/live":
                    raise web.HTTPUnauthorized(text="登录已过期，请重新登录")
                raise web.HTTPSeeOther("/sign-in?" + urllib.parse.urlencode({"next": request.path_qs}))
            if roles and person.role not in roles:
                raise web.HTTPForbidden(text="您的账号没有打开这一页的权限")
            request[PERSON] = person
            return await handler(request)

        return checked

    return decorate


def api(*roles: str) -> Callable[[Handler], Handler]:
    """For the API: programs with a token of these roles, and signed-in people of these roles. 401 or 403 else."""

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def checked(request: web.Request) -> web.StreamResponse:
            role = await role_of(request)
            if role is None:
                raise web.HTTPUnauthorized(
                    text="a bearer token or a session is needed", headers={"WWW-Authenticate": 'Bearer realm="hotline"'}
                )
            if role not in roles:
                raise web.HTTPForbidden(text=f"the role '{role}' may not read this")
            return await handler(request)

        return checked

    return decorate


@dataclass(frozen=True)
class Acting:
    """Who asks the API to do something: a person, or a program with a token (`extension` is empty then).

    `username` is as commands name them (letters that those cannot hold are replaced), `signature` as histories do.
    """

    role: str
    username: str
    signature: str
    extension: str


ACTING = web.RequestKey("acting", Acting)
"""Who acts, in requests to the API that change something."""

FORM_TOKEN_HEADER = "Desk-Form-Token"  # noqa: S105 - the header's name
"""Carries the page's form token in requests of our scripts."""


def api_acts(*roles: str) -> Callable[[Handler], Handler]:
    """For the part of the API that changes something: as `api`, and a session's request must come from our pages.

    A program with a token has no cookie that another site could use, and needs no form token.
    """

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def checked(request: web.Request) -> web.StreamResponse:
            role = await role_of(request)
            person = None if "Authorization" in request.headers else await person_of(request)
            if role is None:
                raise web.HTTPUnauthorized(
                    text="a bearer token or a session is needed", headers={"WWW-Authenticate": 'Bearer realm="hotline"'}
                )
            if person is not None:
                _refuse_other_sites(request)
                _refuse_wrong_token(request, request.headers.get(FORM_TOKEN_HEADER, ""))
            if role not in roles:
                raise web.HTTPForbidden(text=f"the role '{role}' may not do this")
            request[ACTING] = (
                Acting(role, _NOT_IN_COMMANDS.sub("_", person.username)[:64], person.signature, person.extension)
                if person
                else Acting(role, "api", f"API（{role}）", "")
            )
            return await handler(request)

        return checked

    return decorate


async def person_of(request: web.Request) -> accounts.Account | None:
    """Whose session the request's cookie is, or None."""
    token = request.cookies.get(session_cookie(request))
    return await accounts.account_of_session(request.app[DESK].database, token) if token else None


async def role_of(request: web.Request) -> str | None:
    """The role of the request's bearer token or, without one, of its session; None when it has neither."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind:
        if kind.lower() != "bearer":
            return None
        return await accounts.role_of_token(request.app[DESK].database, token.strip())
    person = await person_of(request)
    return person.role if person else None


async def reader(request: web.Request) -> Actor:
    """Who reads the API: a person, or a program by the role of its token."""
    person = None if "Authorization" in request.headers else await person_of(request)
    if person is not None:
        return actor(person)
    role = await role_of(request) or ""
    return Actor(name=f"API（{role}）", role=role)


def actor(person: accounts.Account) -> Actor:
    """The person as the tickets' history names them."""
    return Actor(name=person.signature, role=person.role)


# A browser does not tell ports apart: the cookies of two instances on one machine would meet. So their names differ.


def session_cookie(request: web.Request) -> str:
    """The name of the cookie that holds the session's token."""
    return f"hotline_session_{request.app[DESK].settings.hotline.ports.web}"


def visit_cookie(request: web.Request) -> str:
    """The name of the cookie that ties the sign-in form to this browser, before there is a session."""
    return f"hotline_visit_{request.app[DESK].settings.hotline.ports.web}"


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str, hours: int) -> None:
    """A cookie that scripts cannot read and other sites' forms do not send."""
    secure = request.app[DESK].settings.hotline.web.secure_cookies
    response.set_cookie(name, value, max_age=hours * 3600, path="/", httponly=True, samesite="Lax", secure=secure)


def form_token(request: web.Request) -> str:
    """The token that forms on this page must send back; derived from the cookie, so that nothing more is kept."""
    secret = request.cookies.get(session_cookie(request)) or request.cookies.get(visit_cookie(request)) or ""
    return _derived(secret) if secret else ""


def new_visit() -> tuple[str, str]:
    """A fresh visit cookie and the form token that goes with it."""
    visit = secrets.token_urlsafe(32)
    return visit, _derived(visit)


async def checked_form(request: web.Request) -> Form:
    """The posted form. Raises 403 when another site sent it: wrong Origin, or not this browser's token."""
    _refuse_other_sites(request)
    form = Form(await request.post())
    _refuse_wrong_token(request, form.text("form_token") or "")
    return form


def _refuse_other_sites(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urllib.parse.urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="这个表单不是从本站提交的")
    if origin is None and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden(text="这个表单不是从本站提交的")


def _refuse_wrong_token(request: web.Request, given: str) -> None:
    expected = form_token(request)
    if not expected or not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise web.HTTPForbidden(text="页面已过期，请刷新后再试")


def local_path(text: str | None) -> str:
    """`text` when it is a path of this site, else `/`: a link to the sign-in must not lead elsewhere afterwards."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable() or "\\" in text:
        return "/"
    return text


def _derived(secret: str) -> str:
    return hashlib.sha256(b"form token of " + secret.encode()).hexdigest()
