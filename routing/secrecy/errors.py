"""What confidentiality refuses; as the other errors of tickets, with a stable code and the rule."""

from __future__ import annotations

from routing.life.errors import LawError


class RevealRefused(LawError):
    """This person may not read this field, whatever the reason."""

    code = "reveal_refused"


class NotApproved(LawError):
    """Data may leave only with an approval that holds: given by another person, unused, not expired, for just this."""

    code = "release_not_approved"
