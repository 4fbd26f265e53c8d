"""The desk's commands to the calls of this bridge, carried out over AMI (ivr/commands.py says how they come)."""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections.abc import Callable

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ivr import commands
from ivr.ami import AmiClient, AmiError
from ivr.bridge import linkage_notes
from ivr.bridge.registry import LiveCall, Registry
from ivr.commands import (
    AnyCommand,
    CallCommand,
    DropLine,
    EndLinkage,
    LeaveLinkage,
    LinkLines,
    Mute,
    OfferLines,
    RehearseLine,
    Reply,
    Unmute,
    Whisper,
)
from ivr.events import Event, Party, PartyMuted, now
from ivr.wire.ami import Message
from settings import Lines

log = structlog.get_logger(__name__)
_done = Counter("hotline_commands_total", "Commands of the desk", ["kind", "code"])

_LONGEST_REHEARSAL = 150.0
_OFFERED_AGAIN_AFTER = 45.0
"""Seconds: a caller who speaks of danger again is asked again; longer than an offer takes."""
_MISSING = re.compile(r"no such channel|not exist|no channels? match|not found", re.IGNORECASE)


class _Refused(Exception):
    def __init__(self, code: commands.Code, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reply = Reply(code=code, message=message, field=field)


class CommandPost:
    """Listens for commands and answers those that are for calls of this node."""

    def __init__(
        self,
        redis: Redis,
        ami: AmiClient,
        registry: Registry,
        lines: Lines,
        extensions: list[str],
        node: str,
        publish: Callable[[Event], None],
    ) -> None:
        self._redis = redis
        self._ami = ami
        self._registry = registry
        self._lines = lines
        self._extensions = extensions
        self._node = node
        self._publish = publish
        self._task: asyncio.Task[None] | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        self._rehearsals: dict[str, asyncio.Future[Message]] = {}

    def start(self) -> None:
        """Begin listening, and keep at it until `close`; again does nothing."""
        self._task = self._task or asyncio.create_task(self._listen(), name="commands")

    async def close(self) -> None:
        """Stop; what is being carried out is finished first."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for task in self._at_work:
            if not task.get_name().startswith("rehearse_line"):
                await asyncio.wait({task}, timeout=5)
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    def handle(self, message: Message) -> None:
        """Notice the end of a rehearsal."""
        if message.event == "UserEvent" and message.get("UserEvent") == "Rehearsal":
            ended = self._rehearsals.get(message.get("Id"))
            if ended and not ended.done():
                ended.set_result(message)

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(commands.CHANNEL)
                    pause = 0.1
                    while True:
                        told = await heard.get_message(timeout=5)
                        if told is not None:
                            self._begin(told["data"].decode("ascii", "replace"))
            except (RedisError, OSError) as problem:
                log.warning("commands of the desk cannot be heard", problem=str(problem), next_try_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    def _begin(self, command_id: str) -> None:
        task = asyncio.create_task(self._take_up(command_id), name=f"command {command_id}")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _take_up(self, command_id: str) -> None:
        try:
            command = await commands.look(self._redis, command_id)
            ours = command is not None and self._is_ours(command)
            # Taken from under our hands: withdrawn, or another bridge rehearses.
            if not ours or (command := await commands.take(self._redis, command_id)) is None:
                await commands.answer(self._redis, command_id, Reply(code="not_mine", node=self._node))
                return
            reply = (await self._carry_out(command)).model_copy(update={"node": self._node})
            await commands.answer(self._redis, command_id, reply)
        except ValueError as problem:
            log.error("a command cannot be read", command=command_id, problem=type(problem).__name__)
            malformed = Reply(code="malformed", message="这不是一个可以执行的命令", node=self._node)
            await commands.answer(self._redis, command_id, malformed)
        except (RedisError, OSError) as problem:
            log.warning("a command could not be answered", command=command_id, problem=str(problem))

    def _is_ours(self, command: AnyCommand) -> bool:
        return not isinstance(command, CallCommand) or command.call_id in self._registry.calls

    async def _carry_out(self, command: AnyCommand) -> Reply:
        try:
            reply = await self._by_kind(command)
        except _Refused as refused:
            reply = refused.reply
        except AmiError as problem:
            instead = "，请改用话机功能键（如 *119）" if isinstance(command, LinkLines) else ""
            reply = Reply(code="asterisk_refused", message=f"电话平台拒绝执行：{problem}{instead}")
        _done.labels(command.kind, reply.code).inc()
        log.info("a command", kind=command.kind, who=command.who, code=reply.code, message=reply.message)
        return reply

    async def _by_kind(self, command: AnyCommand) -> Reply:
        if isinstance(command, RehearseLine):
            return await self._rehearse(command)
        call = self._registry.calls.get(command.call_id)
        if call is None:
            raise _Refused("no_such_call", "没有这个通话，或者通话已经结束", "call_id")
        match command:
            case LinkLines():
                return await self._link(call, command)
            case OfferLines():
                return await self._offer(call, command)
            case DropLine():
                return await self._drop(call, command)
            case LeaveLinkage():
                return await self._leave(call)
            case EndLinkage():
                return await self._end(call)
            case Mute() | Unmute():
                return await self._mute(call, command)
            case Whisper():
                return await self._whisper(call, command)
        raise _Refused("malformed", "电话平台不会执行这个命令", "kind")

    async def _link(self, call: LiveCall, command: LinkLines) -> Reply:
        for line in command.lines:
            self._known(line, "lines")
        there = call.linkage.lines if call.linkage else {}
        wanted = [line for line in dict.fromkeys(command.lines) if line not in there]
        if address := _address(command.address):
            tree = f"{linkage_notes.FAMILY}/{call.call_id}"
            await self._ami.request("DBPut", [("Family", tree), ("Key", "address"), ("Val", address)])
        if wanted:
            await self._ask_for(call, wanted, f"{command.by}|{command.via}|{command.who}")
        return Reply(code="done", detail={"asked": "-".join(wanted)})

    async def _ask_for(self, call: LiveCall, lines: list[str], by: str) -> None:
        await self._ami.request(
            "Originate",
            [
                ("Channel", "Local/s@link-desk/n"),
                *(("Context", "link-desk"), ("Exten", "asked"), ("Priority", "1")),
                *(("Timeout", "10000"), ("Async", "true")),
                *_of_call(call, self._lines),
                ("Variable", f"LINK_LINES={'-'.join(lines)}"),
                ("Variable", f"LINK_BY={by}"),
                ("Variable", f"LINK_WITH={'agent' if call.agent else 'nobody'}"),
            ],
        )

    async def _offer(self, call: LiveCall, command: OfferLines) -> Reply:
        if call.agent is not None:
            raise _Refused("agent_there", "话务员已经接听，由话务员决定")
        linked = call.linkage is not None and call.linkage.open
        there = call.linkage.lines if call.linkage and linked else {}
        known = {line.line for line in self._lines.emergency_lines}
        wanted = [line for line in dict.fromkeys(command.lines) if line in known and line not in there]
        before, at = dict(call.offered), time.monotonic()
        fresh = [line for line in wanted if at - before.get(line, -math.inf) > _OFFERED_AGAIN_AFTER]
        if wanted and not fresh:
            raise _Refused("declined", "这些专线刚刚向来电人提出过")
        call.offered.update(dict.fromkeys(fresh, at))
        try:
            if fresh and linked:
                # In a conference the caller has no key to say no with, so none is promised.
                await self._ask_for(call, fresh, "hotline|speech|")
            elif fresh:
                await self._speak_offer(call, fresh)
        except AmiError:
            call.offered = before
            raise
        return Reply(code="done", detail={"asked": "-".join(fresh)})

    async def _speak_offer(self, call: LiveCall, lines: list[str]) -> None:
        await self._ami.request(
            "Originate",
            [
                ("Channel", f"Local/{call.call_id}@link-offer/n"),
                *(("Context", "link-offer"), ("Exten", "hear"), ("Priority", "1")),
                *(("Timeout", "10000"), ("Async", "true")),
                *_of_call(call, self._lines),
                ("Variable", f"LINK_LINES={'-'.join(lines)}"),
            ],
        )

    def agent_came(self, call_id: str) -> None:
        """An agent has answered: what was offered and has not been dialled yet is for them to decide."""
        call = self._registry.calls.get(call_id)
        if call and call.offered:
            task = asyncio.create_task(self._withdraw_offer(call_id), name=f"withdraw offer {call_id}")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    def agent_went(self, call_id: str) -> None:
        """No agent is in the conference any more: nobody is left who could let a muted caller be heard."""
        call = self._registry.calls.get(call_id)
        if call and call.linkage and call.linkage.open and not call.linkage.agent_in:
            task = asyncio.create_task(self._let_be_heard(call), name=f"unmute caller {call_id}")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def _let_be_heard(self, call: LiveCall) -> None:
        try:
            # Also without knowing of it: it may have been an earlier bridge that muted.
            where = [("Conference", f"link-{call.call_id}"), ("Channel", call.caller.channel)]
            await self._unless_gone("ConfbridgeUnmute", where)
        except AmiError as problem:
            log.warning("a caller without an agent could not be unmuted", call_id=call.call_id, problem=str(problem))
            return
        if call.muted:
            call.muted = False
            self._publish_muted(call, str(uuid.uuid4()), "caller", call.caller_number, muted=False)

    async def _withdraw_offer(self, call_id: str) -> None:
        try:
            await self._unless_gone("Hangup", [("Channel", f"/^Local/{call_id}@link-offer-.*;2$/")])
        except AmiError as problem:
            # Then the lines join an agent who can take them out again.
            log.warning("an offer could not be withdrawn", call_id=call_id, problem=str(problem))

    async def _drop(self, call: LiveCall, command: DropLine) -> Reply:
        self._known(command.line, "line")
        # The end that dials, whose dialplan notes it; found by its name, also while nothing has answered.
        name = f"/^Local/{command.line}-{call.call_id}@link-line-.*;2$/"
        return await self._unless_gone("Hangup", [("Channel", name)])

    async def _leave(self, call: LiveCall) -> Reply:
        if not call.linkage or not call.linkage.open:
            raise _Refused("no_linkage", "这个通话没有联动")
        if call.agent is None or not call.linkage.agent_in:
            raise _Refused("agent_needed", "联动中没有话务员")
        where = [("Context", "link-agent"), ("Exten", "leave"), ("Priority", "1")]
        return await self._unless_gone("Redirect", [("Channel", call.agent.channel), *where])

    async def _end(self, call: LiveCall) -> Reply:
        if not call.linkage or not call.linkage.open:
            raise _Refused("no_linkage", "这个通话没有联动")
        call.ended_by = "agent"
        where = [("Context", "link-end"), ("Exten", "s"), ("Priority", "1")]
        return await self._unless_gone("Redirect", [("Channel", call.caller.channel), *where])

    async def _mute(self, call: LiveCall, command: Mute | Unmute) -> Reply:
        linkage = call.linkage
        if not linkage or not linkage.open:
            raise _Refused("no_linkage", "这个通话没有联动")
        if command.party == "line":
            name = command.line or ""
            channel = linkage.channels.get(name, "")
        elif command.party == "agent":
            name = call.agent.agent if call.agent else ""
            channel = call.agent.channel if call.agent and linkage.agent_in else ""
        else:
            name, channel = call.caller_number, call.caller.channel if linkage.caller_in else ""
        if not channel:
            raise _Refused("not_in_linkage", "这一方不在联动中", "line" if command.party == "line" else "party")
        muted = isinstance(command, Mute)
        action = "ConfbridgeMute" if muted else "ConfbridgeUnmute"
        await self._ami.request(action, [("Conference", f"link-{call.call_id}"), ("Channel", channel)])
        if command.party == "caller":
            call.muted = muted
        self._publish_muted(call, command.id, command.party, name, muted=muted)
        return Reply(code="done")

    def _publish_muted(self, call: LiveCall, act: str, party: Party, name: str, *, muted: bool) -> None:
        event_id = f"{call.call_id}:muted:{act}"
        self._publish(
            PartyMuted(call_id=call.call_id, event_id=event_id, at=now(), party=party, name=name, muted=muted)
        )

    async def _whisper(self, call: LiveCall, command: Whisper) -> Reply:
        if command.extension not in self._extensions:
            raise _Refused("unknown_extension", f"没有分机 {command.extension}", "extension")
        if call.agent is None:
            raise _Refused("agent_needed", "通话中没有话务员，无人可以听到")
        if call.agent.agent == command.extension:
            raise _Refused("unknown_extension", "不能对自己耳语，请选择别的分机", "extension")
        await self._ami.request(
            "Originate",
            [
                ("Channel", f"PJSIP/{command.extension}"),
                *(("Context", "link-whisper"), ("Exten", "s"), ("Priority", "1")),
                *(("Timeout", "30000"), ("Async", "true"), ("CallerID", f"<{call.agent.agent}>")),
                ("Variable", f"WHISPER_TO={call.agent.channel}"),
            ],
        )
        return Reply(code="done")

    async def _rehearse(self, command: RehearseLine) -> Reply:
        self._known(command.line, "line")
        ended = self._rehearsals[command.id] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        try:
            await self._ami.request(
                "Originate",
                [
                    ("Channel", f"Local/{command.line}@rehearsal/n"),
                    *(("Context", "rehearsal"), ("Exten", "hold"), ("Priority", "1")),
                    *(("Timeout", str(int(_LONGEST_REHEARSAL * 1000))), ("Async", "true")),
                    ("Variable", f"REHEARSAL={command.id}"),
                ],
            )
            told = await asyncio.wait_for(ended, _LONGEST_REHEARSAL)
        except TimeoutError:
            return Reply(code="rehearsal_failed", message="演练没有结果：电话平台没有报告呼叫结束")
        finally:
            del self._rehearsals[command.id]
        number, _, trunk = told.get("Target").partition("@")
        answered = told.get("Status") == "ANSWER"
        detail = {
            "number": number or "echo",
            "trunk": trunk,
            "outcome": "answered" if answered else linkage_notes.outcome_of(told.get("Status"), told.get("Sip")),
            "cause": told.get("Cause"),
            "sip": told.get("Sip"),
            "seconds": f"{time.monotonic() - began:.1f}",
        }
        if answered:
            return Reply(code="done", detail=detail)
        reason = told.get("Sip") or told.get("Status")
        return Reply(code="rehearsal_failed", message=f"线路 {command.line} 演练没有接通：{reason}", detail=detail)

    def _known(self, line: str, field: str) -> None:
        if self._lines.line(line) is None:
            known = "、".join(found.line for found in self._lines.emergency_lines)
            raise _Refused("unknown_line", f"没有专线 {line}，可以选择：{known}", field)

    async def _unless_gone(self, action: str, headers: list[tuple[str, str]]) -> Reply:
        """Done too when the channel is gone already: what was wanted is so."""
        try:
            await self._ami.request(action, headers)
        except AmiError as problem:
            if not _MISSING.search(str(problem)):
                raise
        return Reply(code="done")


def _of_call(call: LiveCall, lines: Lines) -> list[tuple[str, str]]:
    """What the dialplan's contexts of a linkage know a call by."""
    known = {
        "CALL_ID": call.call_id,
        "CALLER_CHANNEL": call.caller.channel,
        "CALLER_NUMBER": call.caller_number,
        "LINK_QUEUE": call.queue or lines.numbers[0].queue,
    }
    return [("Variable", f"{name}={value}") for name, value in known.items()]


def _address(text: str) -> str:
    """The address without what could end a line or mean something to the dialplan."""
    return re.sub(r"[^\w\s.#-]|[\x00-\x1f\x7f]", " ", text).strip()
