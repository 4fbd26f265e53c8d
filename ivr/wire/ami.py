"""The Asterisk Manager Interface: what Asterisk tells us (`AmiReader`), what we ask of it (`action`).

The grammar, as Asterisk's main/manager.c writes it: one banner line, then messages; a message is header lines
`Name: value` and an empty line. The only line end is CR LF. A caller's name may hold a lone LF, U+2028, U+0085 and
broken UTF-8, all of which are data, so bytes are split at CR LF first and decoded afterwards, each line by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from ivr.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_ACTION_LINE = 1024
"""Bytes of one line of an action, CR LF included: `inbuf` of struct mansession in manager.c holds no more."""

MAX_ACTION_HEADERS = 128
"""Lines of one action, Action and ActionID included: AST_MAX_MANHEADERS in Asterisk's manager.h."""

_BANNER = b"Asterisk Call Manager/"
_LINE_END = b"\r\n"
_MESSAGE_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Banner:
    """The first line that Asterisk sends. `version` is that of the AMI, such as 11.0.0, not that of Asterisk."""

    version: str


class Message:
    """An event or a response: its headers (name, value), in the order of the wire, repeated ones included.

    A line that has no colon (the text of a Command in old versions) is a header with the name "".

    A value, not a record: messages with the same headers are equal, and nothing can be set. Of most events only the
    kind is ever looked at, so a message that came from the wire keeps its bytes and is taken apart when asked.
    """

    __match_args__ = ("headers",)
    __slots__ = ("_block", "_event", "_headers", "_lowered")

    def __init__(self, headers: tuple[tuple[str, str], ...]) -> None:
        self._block = b""
        self._lowered = b""
        self._event: str | None = None
        self._headers: tuple[tuple[str, str], ...] | None = headers

    @classmethod
    def _from_wire(cls, block: bytes) -> Message:
        message: Message = object.__new__(cls)
        message._block = block
        message._lowered = b""
        message._event = None
        message._headers = None
        return message

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All headers, (name, value), in the order of the wire."""
        if self._headers is None:
            self._headers = tuple(map(_header, self._block.split(_LINE_END)))
        return self._headers

    def get(self, name: str, default: str = "") -> str:
        """The value of the first header of this name, upper and lower case being the same, else `default`."""
        needle = _needle(name)
        if not needle or not self._block:
            values = self.get_all(name)
            return values[0] if values else default
        lowered = self._lowered
        if not lowered:
            lowered = self._lowered = _LINE_END + self._block.lower()
        place = lowered.find(needle)
        return default if place < 0 else self._value(place + len(needle) - len(_LINE_END))

    def get_all(self, name: str) -> list[str]:
        """The values of all headers of this name, upper and lower case being the same, in the order of the wire."""
        needle = _needle(name)
        if not needle or not self._block:
            wanted = name.lower()
            return [value for header, value in self.headers if header.lower() == wanted]
        lowered = self._lowered
        if not lowered:
            lowered = self._lowered = _LINE_END + self._block.lower()
        values: list[str] = []
        place = lowered.find(needle)
        while place >= 0:
            values.append(self._value(place + len(needle) - len(_LINE_END)))
            place = lowered.find(needle, place + len(needle))
        return values

    def _value(self, start: int) -> str:
        end = self._block.find(_LINE_END, start)
        value = self._block[start:end] if end >= 0 else self._block[start:]
        return value.decode("utf-8", "replace").removeprefix(" ")

    @property
    def event(self) -> str:
        """What kind of event this is, such as Newchannel; "" when it is a response.

        Ask this before `response`: some events, OriginateResponse for one, have a Response header too.
        """
        if self._event is None:
            first = self._block.startswith(b"Event:")  # as Asterisk writes it
            self._event = self._value(len(b"Event:")) if first else self.get("Event")
        return self._event

    @property
    def response(self) -> str:
        """Success, Error, Goodbye ..., or "" when there is no Response header."""
        return self.get("Response")

    @property
    def action_id(self) -> str:
        """The ActionID of the action that this answers or that caused it, else "".

        From the wire it is known by the spelling `ActionID`, the only one that Asterisk writes: every message is asked
        for it, and hardly any has it.
        """
        if not self._block:
            return self.get("ActionID")
        place = self._block.find(b"\r\nActionID:")
        return "" if place < 0 else self._value(place + len(b"\r\nActionID:"))

    @property
    def variables(self) -> dict[str, str]:
        """Channel variables in `ChanVariable: name=value`, then in `Variable: name=value`; of two, the first holds.

        Headers such as `DestChanVariable` and `ChanVariable(CHANNEL)` speak of other channels and are left out, and
        so is the `Variable: name` of a VarSet event, which has no value in it.
        """
        found: dict[str, str] = {}
        for text in (*self.get_all("ChanVariable"), *self.get_all("Variable")):
            name, equals, value = text.partition("=")
            if equals:
                found.setdefault(name, value)
        return found

    def __eq__(self, other: object) -> bool:
        return self.headers == other.headers if isinstance(other, Message) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.headers)

    def __repr__(self) -> str:
        return f"Message(headers={self.headers!r})"


def _header(line: bytes) -> tuple[str, str]:
    text = line.decode("utf-8", "replace")
    name, colon, value = text.partition(":")
    # A name never holds LF: such a line is a block of Command output (Asterisk before 14), whatever colons it has.
    return ("", text) if not colon or "\n" in name else (name, value.removeprefix(" "))


@lru_cache(maxsize=1024)
def _needle(name: str) -> bytes:
    """How a header of this name begins in lowered bytes; b"" for what must be looked for among decoded headers."""
    if not name or not name.isascii() or ":" in name or "\n" in name:
        return b""
    return _LINE_END + name.lower().encode() + b":"


class _State(Enum):
    BANNER = auto()
    MESSAGES = auto()
    FAILED = auto()


# BANNER -- banner line --> MESSAGES -- empty line --> MESSAGES; anything that is refused --> FAILED, for ever.


class AmiReader:
    """Bytes of one AMI connection in, `Banner` and `Message` out.

    `max_line` and `max_message` are bytes, `max_headers` is lines of one message, `max_banner` bytes of the banner.
    No more than `max_message` bytes and the bytes of one `feed` are ever held.
    """

    def __init__(
        self,
        *,
        max_line: int = 65536,
        max_headers: int = 512,
        max_banner: int = 256,
        max_message: int = 1024 * 1024,
    ) -> None:
        self._max_line = max_line
        self._max_headers = max_headers
        self._max_banner = max_banner
        self._max_message = max_message
        self._state = _State.BANNER
        self._failure = ""
        # A message of no more bytes than this is within all limits: a header line takes three bytes at least.
        self._surely_small = min(max_line, max_message, 3 * max_headers)
        self._buffer = bytearray()
        # What is known of the unfinished message that the buffer holds, so that a message that arrives in a thousand
        # pieces is not searched a thousand times: how many bytes were seen, how many lines are complete in them, and
        # where the line that is not begins.
        self._seen = 0
        self._lines = 0
        self._line_start = 0

    def feed(self, data: bytes) -> list[Banner | Message]:
        """What `data`, the next bytes of the connection, completes; an empty list when more is needed.

        Raises RemoteProtocolError when this is not AMI, or a limit is passed; what the same bytes completed before
        the mistake is lost with the connection. From then on every call raises the same.
        """
        events: list[Banner | Message] = []
        if self._state is _State.FAILED:
            raise RemoteProtocolError(self._failure)
        self._buffer += data
        if self._state is _State.BANNER:
            banner = self._read_banner()
            if banner is None:
                return events
            events.append(banner)
            self._state = _State.MESSAGES
        self._read_messages(events)
        return events

    def _read_banner(self) -> Banner | None:
        buffer = self._buffer
        if not buffer.startswith(_BANNER[: len(buffer)]):
            # Said at once: a wrong port may speak another protocol, and never send a line end.
            raise self._fail(f"the first line must be '{_BANNER.decode()}VERSION', not {_shown(buffer)}")
        end = buffer.find(_LINE_END, 0, self._max_banner + len(_LINE_END))
        if end < 0:
            if len(buffer) > self._max_banner + 1:
                raise self._fail(f"the banner is longer than {self._max_banner} bytes")
            return None
        version = buffer[len(_BANNER) : end].decode("utf-8", "replace").strip()
        if not version:
            raise self._fail("the banner has no version")
        del buffer[: end + len(_LINE_END)]
        return Banner(version)

    def _read_messages(self, events: list[Banner | Message]) -> None:
        buffer = self._buffer
        if buffer.find(_MESSAGE_END, max(self._seen - len(_MESSAGE_END) + 1, 0)) >= 0:
            *blocks, rest = bytes(buffer).split(_MESSAGE_END)
            for block in blocks:
                if block.startswith(_LINE_END):  # an empty line before the first header means nothing
                    block = block[len(_LINE_END) :]
                if block:
                    if len(block) > self._surely_small:
                        self._check(block)
                    events.append(Message._from_wire(block))
            self._buffer = bytearray(rest)
            self._seen = self._lines = self._line_start = 0
        self._check_unfinished()

    def _check(self, block: bytes) -> None:
        lines = block.split(_LINE_END)
        if len(lines) > self._max_headers:
            raise self._fail(f"a message has more than {self._max_headers} headers")
        if max(map(len, lines)) > self._max_line:
            raise self._fail(f"a line is longer than {self._max_line} bytes")
        if len(block) > self._max_message:
            raise self._fail(f"a message is longer than {self._max_message} bytes")

    def _check_unfinished(self) -> None:
        # The limits are let out by the line ends that may stand around the message, and judged exactly at its end.
        buffer = self._buffer
        new = max(self._line_start, self._seen - 1)
        last = buffer.rfind(_LINE_END, new)
        if last >= 0:
            self._lines += buffer.count(_LINE_END, new)
            self._line_start = last + len(_LINE_END)
        self._seen = len(buffer)
        if self._lines > self._max_headers + 1:
            raise self._fail(f"a message has more than {self._max_headers} headers")
        if self._seen - self._line_start > self._max_line + len(_LINE_END):
            raise self._fail(f"a line is longer than {self._max_line} bytes")
        if self._seen > self._max_message + len(_LINE_END) + len(_MESSAGE_END):
            raise self._fail(f"a message is longer than {self._max_message} bytes")

    def _fail(self, problem: str) -> RemoteProtocolError:
        self._state = _State.FAILED
        self._failure = f"AMI: {problem}"
        self._buffer = bytearray()
        return RemoteProtocolError(self._failure)


def action(name: str, headers: Iterable[tuple[str, str]] = (), *, action_id: str) -> bytes:
    """The bytes of one action: Action, ActionID, then `headers` in their order, the same name as often as you like.

    Raises LocalProtocolError for what would not arrive as it was meant: CR, LF or NUL in a name or value (a lone LF
    ends a line for Asterisk too), a header name that is empty or holds a colon, an empty action or ActionID, a line
    of more than 1024 bytes, more than 128 lines. Values are not shown in the message: one may be a secret.
    """
    if not name:
        raise LocalProtocolError("AMI: an action needs a name")
    if not action_id:
        raise LocalProtocolError(f"AMI: action {name!r} needs an ActionID, else its answer cannot be told from others")
    lines = [_line("Action", name), _line("ActionID", action_id)]
    lines.extend(_line(header, value) for header, value in headers)
    if len(lines) > MAX_ACTION_HEADERS:
        raise LocalProtocolError(f"AMI: action {name!r} has {len(lines)} lines; Asterisk takes {MAX_ACTION_HEADERS}")
    lines.append(_LINE_END)
    return b"".join(lines)


def _line(name: str, value: str) -> bytes:
    if not name:
        raise LocalProtocolError("AMI: a header has an empty name")
    if ":" in name:
        raise LocalProtocolError(f"AMI: the header name {name!r} holds a colon, which ends a name")
    text = f"{name}: {value}"
    if "\r" in text or "\n" in text or "\0" in text:
        raise LocalProtocolError(f"AMI: header {name!r} holds CR, LF or NUL, which would end the line early")
    try:
        line = text.encode() + _LINE_END
    except UnicodeEncodeError as problem:
        raise LocalProtocolError(f"AMI: header {name!r} holds a lone surrogate, which is not text") from problem
    if len(line) > MAX_ACTION_LINE:
        raise LocalProtocolError(f"AMI: header {name!r} makes a line of {len(line)} bytes, more than {MAX_ACTION_LINE}")
    return line


def _shown(data: bytes | bytearray) -> str:
    return repr(bytes(data[:40]))
