"""Errors of the API with a code and a field of their own."""

from __future__ import annotations

from aiohttp import web


class Refused(web.HTTPException):
    """An answer that is an error. `code` is stable, `field` names what of the request is wrong (empty: none)."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "") -> None:
        self.status_code = status
        super().__init__(text=message)
        self.code = code
        self.field = field
