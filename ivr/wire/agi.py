"""FastAGI: what Asterisk sends to a flow's server (`AgiReader`), and the commands that go back (`command`).

The grammar, as Asterisk's res/res_agi.c writes it: lines `agi_name: value` and an empty line, then one reply for each
command. A line ends with LF. `HANGUP` stands alone on a line, in place of no reply: it may come at any time after the
environment, so it is an event of its own, and the next line is still the answer to the last command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from ivr.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_COMMAND = 8191
"""Bytes of one command, LF included: what fits into Asterisk's AGI line buffer with its closing NUL."""

MAX_WORDS = 127
"""Words of one command: parse_args() of res_agi.c has 128 places, the last one empty."""

_PREFIX = "agi_"
_CONTROL = re.compile(r"[\x00-\x1f]")
_VERB = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?: [A-Za-z][A-Za-z0-9_]*)*")
_OPEN_VALUE = re.compile(rb"200 result=\S* \([^)]*")


@dataclass(frozen=True, slots=True)
class Environment:
    """What Asterisk says of the call at the start. `values` has names without `agi_`, such as `channel`, `uniqueid`.

    An absent caller number or name is the word "unknown", as Asterisk writes it.
    """

    values: dict[str, str]

    @property
    def arguments(self) -> list[str]:
        """The arguments of the dialplan's AGI(), in order (agi_arg_1, agi_arg_2, ...)."""
        found: list[str] = []
        while (value := self.values.get(f"arg_{len(found) + 1}")) is not None:
            found.append(value)
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command. `200 result=1 (timeout) endpos=123` is 200, "1", "(timeout) endpos=123".

    Of a reply without `result=` (510 unknown command, 511 dead channel, 520 wrong usage) all text is `data`, the
    lines of a long 520 joined by LF. A reply with code 100 says that the answer is still to come.
    """

    code: int
    result: str
    data: str

    @property
    def ok(self) -> bool:
        """True when the command was carried out (200). What it achieved is in `result`."""
        return self.code == 200


@dataclass(frozen=True, slots=True)
class Hangup:
    """The channel was hung up. Not a reply: the reply to the command under way still follows."""


_FREQUENT: dict[bytes, Reply | Hangup] = {
    b"200 result=0": Reply(200, "0", ""),
    b"200 result=1": Reply(200, "1", ""),
    b"200 result=-1": Reply(200, "-1", ""),
    b"HANGUP": Hangup(),
}
"""Lines that need no taking apart: most of what Asterisk says after the environment."""


class _State(Enum):
    ENVIRONMENT = auto()
    REPLIES = auto()
    USAGE = auto()
    VALUE = auto()
    FAILED = auto()


# ENVIRONMENT -- empty line --> REPLIES
# REPLIES -- HANGUP, a reply in one line --> REPLIES
# REPLIES -- "520-..." --> USAGE -- "520 ..." --> REPLIES
# REPLIES -- "200 result=1 (..." without ")" --> VALUE -- "...)" --> REPLIES: the value of a variable holds LF
# anything that is refused --> FAILED, for ever


class AgiReader:
    """Bytes of one FastAGI connection in, `Environment`, `Reply` and `Hangup` out.

    `max_line` is bytes of one line; `max_environment_lines` is lines, of the environment and of one long reply.
    """

    def __init__(self, *, max_line: int = 16384, max_environment_lines: int = 200) -> None:
        self._max_line = max_line
        self._max_lines = max_environment_lines
        self._state = _State.ENVIRONMENT
        self._failure = ""
        self._buffer = b""
        self._values: dict[str, str] = {}
        self._count = 0
        self._pending: list[bytes] = []

    def feed(self, data: bytes) -> list[Environment | Reply | Hangup]:
        """What `data`, the next bytes of the connection, completes; an empty list when more is needed.

        Raises RemoteProtocolError when this is not AGI, or a limit is passed; what the same bytes completed before
        the mistake is lost with the connection. From then on every call raises the same.
        """
        if self._state is _State.FAILED:
            raise RemoteProtocolError(self._failure)
        events: list[Environment | Reply | Hangup] = []
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if self._state is _State.REPLIES and line in _FREQUENT:
                events.append(_FREQUENT[line])
                continue
            if len(line) > self._max_line:
                raise self._fail(f"a line is longer than {self._max_line} bytes")
            event = self._read_line(line)
            if event is not None:
                events.append(event)
        if len(self._buffer) > self._max_line:
            raise self._fail(f"a line is longer than {self._max_line} bytes")
        return events

    def _read_line(self, line: bytes) -> Environment | Reply | None:
        state = self._state
        if state is _State.ENVIRONMENT:
            if not line:
                return self._end_environment()
            self._read_variable(line)
            return None
        if state is _State.REPLIES:
            return self._read_reply(line)
        self._hold(line)
        if state is _State.VALUE:
            return self._end_value() if line.endswith(b")") else None
        # The usage text is written without a line end of its own in some versions: look at the line's end.
        last = line.startswith(self._pending[0][:3] + b" ") or line.endswith(b"520 End of proper usage.")
        return self._end_usage() if last else None

    def _read_variable(self, line: bytes) -> None:
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if not colon or not name.startswith(_PREFIX):
            raise self._fail(f"the environment must be lines 'agi_name: value', not {_shown(line)}")
        self._count += 1
        if self._count > self._max_lines:
            raise self._fail(f"the environment has more than {self._max_lines} lines")
        # The first holds: Asterisk writes what it knows of the call before anything that the caller chose.
        self._values.setdefault(name[len(_PREFIX) :], value.removeprefix(" "))

    def _end_environment(self) -> Environment:
        if not self._values:
            raise self._fail("the environment is empty")
        self._state = _State.REPLIES
        return Environment(self._values)

    def _read_reply(self, line: bytes) -> Reply | None:
        if len(line) < 4 or not line[:3].isdigit() or line[3] not in b" -":
            raise self._fail(f"a reply must start with three digits, not {_shown(line)}")
        if line[3] == ord("-"):
            self._state = _State.USAGE
            self._hold(line)
            return None
        if b")" not in line and _OPEN_VALUE.fullmatch(line):
            self._state = _State.VALUE
            self._hold(line)
            return None
        return self._reply(line.decode("utf-8", "replace"))

    def _reply(self, text: str) -> Reply:
        code = int(text[:3])
        rest = text[4:]
        if rest.startswith("result="):
            result, _, data = rest[len("result=") :].partition(" ")
            return Reply(code, result, data)
        if code == 200:
            raise self._fail(f"a reply with 200 must say 'result=', not {_shown(text.encode())}")
        return Reply(code, "", rest)

    def _end_usage(self) -> Reply:
        text = b"\n".join(self._pending).decode("utf-8", "replace")
        self._pending = []
        self._state = _State.REPLIES
        return Reply(int(text[:3]), "", text[4:])

    def _end_value(self) -> Reply:
        text = b"\n".join(self._pending).decode("utf-8", "replace")
        self._pending = []
        self._state = _State.REPLIES
        return self._reply(text)

    def _hold(self, line: bytes) -> None:
        if len(self._pending) >= self._max_lines:
            raise self._fail(f"a reply has more than {self._max_lines} lines")
        self._pending.append(line)

    def _fail(self, problem: str) -> RemoteProtocolError:
        self._state = _State.FAILED
        self._failure = f"AGI: {problem}"
        self._buffer = b""
        self._pending = []
        return RemoteProtocolError(self._failure)


def command(*words: str) -> bytes:
    """The bytes of one command: the first word is the command itself, such as "STREAM FILE", sent as it is; all
    others are its arguments, each sent in double quotes, with what is special in quotes escaped.

    Raises LocalProtocolError for what would not arrive as it was meant: no command, one that is not plain words with
    single spaces between them, a control character (C0) in an argument, more than 127 words, more than 8191 bytes.
    """
    verb = words[0] if words else ""
    if not _is_verb(verb):
        raise LocalProtocolError("AGI: a command is words with single spaces between, such as 'STREAM FILE'")
    text = "".join(words)
    # What is printable holds no control character, and most commands are: the search is for the others.
    if not text.isprintable() and _CONTROL.search(text):
        raise LocalProtocolError(f"AGI: an argument of {verb} holds a control character")
    if "\\" in text or '"' in text:
        words = tuple(word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    line = " ".join([verb, *[f'"{word}"' for word in words[1:]]])
    if verb.count(" ") + len(words) > MAX_WORDS:
        raise LocalProtocolError(f"AGI: {verb} has more words than the {MAX_WORDS} that Asterisk takes")
    try:
        data = f"{line}\n".encode()
    except UnicodeEncodeError as problem:
        raise LocalProtocolError(f"AGI: an argument of {verb} holds a lone surrogate, which is not text") from problem
    if len(data) > MAX_COMMAND:
        raise LocalProtocolError(f"AGI: {verb} makes a line of {len(data)} bytes, more than {MAX_COMMAND}")
    return data


@lru_cache(maxsize=256)
def _is_verb(text: str) -> bool:
    return _VERB.fullmatch(text) is not None


def _shown(data: bytes) -> str:
    return repr(data[:60])
