"""What a person wanted with a ticket cannot be done: the family of errors, each with a stable code."""

from __future__ import annotations


class TicketError(Exception):
    """What a person wanted cannot be done. `code` is stable; `field` names the field, `rule` the rule of the
    specification that forbids it; either may be empty.
    """

    code = "ticket_error"

    def __init__(self, message: str, *, field: str = "", rule: str = "") -> None:
        super().__init__(message)
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
