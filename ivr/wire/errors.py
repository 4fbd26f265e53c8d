"""Whose fault a protocol error is: the other end's, or that of our own caller."""


class ProtocolError(Exception):
    """Something that must not happen on the wire; the message says what, and what would be right."""


class RemoteProtocolError(ProtocolError):
    """The other end sent what the protocol does not allow. The connection cannot be used any more."""


class LocalProtocolError(ProtocolError, ValueError):
    """Our own code asked for something that must not be sent. Nothing was sent; the connection is unharmed."""
