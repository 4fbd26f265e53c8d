"""What cannot be done with a linkage. `code` is stable; the text is for agents."""

from __future__ import annotations


class LinkageError(Exception):
    """`code` is stable, `field` names what is wrong of what was given, or is empty."""

    code = "linkage_error"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NoSuchAlarm(LinkageError):
    """There is no alarm with this id."""

    code = "no_such_alarm"


class NoSuchProposal(LinkageError):
    """There is no open proposal with this id."""

    code = "no_such_proposal"


class NoLinkage(LinkageError):
    """This call has no linkage, or there is no such call."""

    code = "no_linkage"


class BadDuty(LinkageError):
    """Who accepted cannot be recorded like this."""

    code = "bad_duty"


class BadProposal(LinkageError):
    """These lines cannot be proposed."""

    code = "bad_proposal"
