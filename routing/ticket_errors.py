"""What a person wanted with a ticket cannot be done: the family of errors, each with a stable code."""

from __future__ import annotations

import unicodedata

_NOT_PRINTED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that a terminal or a log would obey, or not know."""

_QUOTED_CHARACTERS = 60


def quoted(given: object) -> str:
    """What somebody gave, as an error may repeat it: its beginning, on one line, without control characters."""
    return _printable(str(given)[:_QUOTED_CHARACTERS])


def _printable(text: str) -> str:
    return "".join(ascii(one)[1:-1] if unicodedata.category(one) in _NOT_PRINTED else one for one in text)


class TicketError(Exception):
    """What a person wanted cannot be done. `code` is stable; `field` names the field, `rule` the rule of the
    specification that forbids it; either may be empty.
    """

    code = "ticket_error"

    def __init__(self, message: str, *, field: str = "", rule: str = "") -> None:
        # Whatever it repeats goes to terminals and logs.
        super().__init__(_printable(message))
        self.field = field
        self.rule = rule


class NoSuchTicket(TicketError):
    """There is no ticket with this id."""

    code = "no_such_ticket"


class TicketChanged(TicketError):
    """Somebody changed the ticket since the version that this person has seen."""

    code = "ticket_changed"


class BadField(TicketError):
    """A value that cannot be kept: unknown field, too long, control characters, unknown id."""

    code = "bad_field"


class AlreadyConfirmed(TicketError):
    """The draft is closed: it was confirmed (and so accepted), or decided otherwise."""

    code = "already_confirmed"
