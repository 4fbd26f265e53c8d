"""Why something cannot be done with a ticket: each error has a stable code, the rule that forbids it, the field that
is wrong, and says (in Chinese, for agents and clerks) what is wrong and what would be right. After one of them
nothing has been changed.
"""

from __future__ import annotations

from routing.ticket_errors import TicketError


class LawError(TicketError):
    """The law forbids it. `rule` is an id of the specification, such as YZ-17, or a ruling, such as S13."""

    code = "law_error"


class IllegalTransition(LawError):
    """The ticket, or the unit's task, is in a state in which this cannot be done."""

    code = "illegal_transition"


class NotAllowed(LawError):
    """This person may not do it: another role, or another unit, has to."""

    code = "not_allowed"


class Missing(LawError):
    """Something that the law demands was not given."""

    code = "missing"


class BadValue(LawError):
    """A value that cannot be kept: unknown id, too long, control characters, out of the scale."""

    code = "bad_value"


class BadTime(LawError):
    """A time that cannot be: before the ticket, before the dispatch, or in the future."""

    code = "bad_time"


class TooLate(LawError):
    """The time within which it may be done is over."""

    code = "too_late"


class TooMany(LawError):
    """It has been done as often as the law permits."""

    code = "too_many"


class TooLong(LawError):
    """More time than the law grants."""

    code = "too_long"


class Locked(LawError):
    """A decision has shut this way: after a rejected return the unit handles the ticket itself."""

    code = "locked"


class Silent(LawError):
    """The jurisdiction's document does not provide for this, and no ruling does."""

    code = "silent"


class Undecided(LawError):
    """Something before it has not been decided yet: a request is open, an approval is missing."""

    code = "undecided"
