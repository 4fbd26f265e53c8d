"""What the desk asks of a call in progress, and how it reaches the bridge that holds the call.

`ask` writes the command under a Redis key that expires and tells all bridges its id. The one that holds the call takes
the key (GETDEL), carries the command out and answers; the others say that the call is not theirs. So a command is
carried out at most once, and never after `ask` has given up: then its key is gone, at once, or a moment later when
the asker has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "hotline:commands"
"""Redis publish/subscribe channel of command ids; each bridge listens."""

COMMAND_KEY = "hotline:command:{id}"
"""Redis key (expiring with the asker's patience) of one command's JSON."""

REPLY_KEY = "hotline:reply:{id}"
"""Redis list (expiring) of the bridges' answers to one command, JSON of `Reply`."""

_REPLY_KEPT_SECONDS = 60
_LONGEST_WAIT = 2.0
"""One BLPOP; below the sockets' own time limit."""

Line = Annotated[str, Field(pattern=r"^[0-9]{3,6}$")]
Extension = Annotated[str, Field(pattern=r"^[1-9][0-9]{2,5}$")]
Who = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.@-]{0,64}$")]

Code = Literal[
    "done",
    "not_mine",
    "no_such_call",
    "unknown_line",
    "unknown_extension",
    "no_linkage",
    "not_in_linkage",
    "agent_needed",
    "agent_there",
    "declined",
    "no_test_number",
    "rehearsal_failed",
    "asterisk_refused",
    "bridge_unreachable",
    "no_answer",
    "malformed",
]


class Command(BaseModel):
    """What all commands have: an id of their own, and who asks (an extension or account, for the record)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(default_factory=lambda: str(uuid.uuid4()), pattern=r"^[0-9a-f-]{36}$")
    who: Who = ""


class CallCommand(Command):
    """A command to one call."""

    call_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class LinkLines(CallCommand):
    """Bring these lines into the call; those that are there or being dialled already are left as they are.

    Works with an agent in the call and while the caller only waits (then an agent is rung into the conference).
    `address` is what is known of the place, in words; it goes to lines whose trunk takes it (PIDF-LO).
    """

    kind: Literal["link_lines"] = "link_lines"
    lines: tuple[Line, ...] = Field(min_length=1, max_length=8)
    by: Literal["agent", "caller", "hotline"] = "agent"
    via: Literal["desk", "speech"] = "desk"
    address: str = Field(default="", max_length=200)


class OfferLines(CallCommand):
    """A caller who waits has spoken of danger: name these lines to them, and bring them in unless a digit says no.

    Refused with `agent_there` (the agent decides) and `declined` (the caller has said no to these lines before).
    """

    kind: Literal["offer_lines"] = "offer_lines"
    lines: tuple[Line, ...] = Field(min_length=1, max_length=8)
    words: str = Field(default="", max_length=100)
    """What was understood, for the record and the desk's alarm."""


class DropLine(CallCommand):
    """Take a line out, or stop dialling it. No linkage of that line: done already."""

    kind: Literal["drop_line"] = "drop_line"
    line: Line


class LeaveLinkage(CallCommand):
    """The agent leaves; caller and lines stay together, nobody else is rung."""

    kind: Literal["leave_linkage"] = "leave_linkage"


class EndLinkage(CallCommand):
    """End it for all: the lines and the agent go, the caller hears the farewell."""

    kind: Literal["end_linkage"] = "end_linkage"


class Mute(CallCommand):
    """A party is no longer heard in the conference (it still hears). `line` names which, for party `line`."""

    kind: Literal["mute"] = "mute"
    party: Literal["caller", "agent", "line"]
    line: Line | None = None


class Unmute(CallCommand):
    """A party is heard again."""

    kind: Literal["unmute"] = "unmute"
    party: Literal["caller", "agent", "line"]
    line: Line | None = None


class Whisper(CallCommand):
    """Ring `extension`; once it answers it hears the call and is heard by the agent only."""

    kind: Literal["whisper"] = "whisper"
    extension: Extension


class RehearseLine(Command):
    """Call the line's test number (or an echo) and hang up. Takes up to the line's ring time: ask with patience."""

    kind: Literal["rehearse_line"] = "rehearse_line"
    line: Line


AnyCommand = LinkLines | OfferLines | DropLine | LeaveLinkage | EndLinkage | Mute | Unmute | Whisper | RehearseLine
_adapter: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="kind")])


class Reply(BaseModel):
    """A bridge's answer. `field` is the command's field that is wrong, `message` says what would be right (Chinese)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: Code
    field: str = ""
    message: str = ""
    node: str = ""
    detail: dict[str, str] = Field(default_factory=dict)
    """More, by command. rehearse_line: `number`, `trunk`, `outcome`, `cause`, `sip`, `seconds`."""


class CommandRefused(Exception):
    """The command was not carried out (`no_answer`: perhaps it was). `code` is stable, `message` is for people."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.code}: {reply.message}")
        self.code = reply.code
        self.field = reply.field
        self.message = reply.message
        self.detail = reply.detail


def load(data: bytes | str) -> AnyCommand:
    """The command in `data` (JSON). Raises `pydantic.ValidationError`, a ValueError, when it is none."""
    return _adapter.validate_json(data)


async def ask(redis: Redis, command: AnyCommand, seconds: float = 3.0) -> Reply:
    """Have the command carried out; returns the answer of the bridge that did.

    Raises CommandRefused: with the bridge's own code, or `no_such_call` (every bridge says that the call is not its),
    `bridge_unreachable` (no bridge listens, or Redis is away; nothing was done), `no_answer` (none within `seconds`).
    """
    key, replies = COMMAND_KEY.format(id=command.id), REPLY_KEY.format(id=command.id)
    until = time.monotonic() + seconds
    try:
        # A moment longer than we wait: only what is still there can be told to have been withdrawn.
        await redis.set(key, command.model_dump_json(), px=int(seconds * 1000) + 1000)
        listening = int(await redis.publish(CHANNEL, command.id))
    except (RedisError, OSError, TimeoutError) as problem:
        await _withdraw(redis, key)
        raise _refused("bridge_unreachable", f"与电话平台的连接中断，未执行，请改用话机功能键：{problem}") from problem
    if listening == 0:
        await _withdraw(redis, key)
        raise _refused("bridge_unreachable", "电话平台没有应答，未执行，请改用话机功能键（如 *119）")
    strangers = 0
    try:
        while (left := until - time.monotonic()) > 0:
            reply = await _next(redis, replies, min(left, _LONGEST_WAIT))
            if reply is None:
                continue
            if reply.code == "done":
                return reply
            if reply.code != "not_mine":
                raise CommandRefused(reply)
            strangers += 1
            if strangers >= listening:
                raise _refused("no_such_call", "没有这个通话，或者通话已经结束", field="call_id")
    except (RedisError, OSError) as problem:
        raise _refused("no_answer", "与电话平台的连接中断，可能已经执行，请看通话状态") from problem
    finally:
        withdrawn = await _withdraw(redis, key)
    if withdrawn:
        raise _refused("bridge_unreachable", "电话平台没有及时应答，未执行，请改用话机功能键（如 *119）")
    raise _refused("no_answer", "电话平台没有及时答复，可能已经执行，请看通话状态")


async def answer(redis: Redis, command_id: str, reply: Reply) -> None:
    """Put a bridge's answer where `ask` waits for it. Raises RedisError, OSError."""
    replies = REPLY_KEY.format(id=command_id)
    async with redis.pipeline(transaction=True) as both:
        both.rpush(replies, reply.model_dump_json())
        both.expire(replies, _REPLY_KEPT_SECONDS)
        await both.execute()


async def take(redis: Redis, command_id: str) -> AnyCommand | None:
    """The command, for whoever takes it first; None when it is taken, withdrawn or expired.

    Raises RedisError, OSError; ValueError when it is no command.
    """
    data = await redis.getdel(COMMAND_KEY.format(id=command_id))
    return None if data is None else load(data)


async def look(redis: Redis, command_id: str) -> AnyCommand | None:
    """The command without taking it, to see whose it is. Raises like `take`."""
    data = await redis.get(COMMAND_KEY.format(id=command_id))
    return None if data is None else load(data)


async def _next(redis: Redis, replies: str, seconds: float) -> Reply | None:
    # redis-py types this for its blocking client too.
    popped = await cast(Awaitable[Any], redis.blpop([replies], timeout=max(0.01, seconds)))
    return None if popped is None else Reply.model_validate_json(popped[1])


async def _withdraw(redis: Redis, key: str) -> bool:
    """Take the command back; False when a bridge has it already (or Redis is away, where it expires by itself)."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        return bool(await asyncio.wait_for(redis.delete(key), 1))
    return False


def _refused(code: Code, message: str, field: str = "") -> CommandRefused:
    return CommandRefused(Reply(code=code, message=message, field=field))
