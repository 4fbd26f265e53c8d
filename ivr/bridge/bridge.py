"""The bridge of one Asterisk node: AMI events in, published events and taps out; FastAGI flows beside it."""

from __future__ import annotations

import asyncio

import structlog
from redis.asyncio import Redis

from ivr.ami import AmiClient, AmiError
from ivr.bridge.command_post import CommandPost
from ivr.bridge.journal import Journal
from ivr.bridge.registry import Registry
from ivr.bridge.taps import Taps
from ivr.events import AgentAnswered, CallArrived, CallEnded, Event, LinkageLeft
from ivr.fastagi import FastAgiServer
from ivr.flows.welcome import Callers, Welcome
from ivr.outbox import Outbox
from ivr.secrets import Secrets
from ivr.wire.ami import Message
from settings import Settings

log = structlog.get_logger(__name__)


class Bridge:
    """Starts, follows and ends with the connection to one Asterisk node; calls go on without it."""

    def __init__(self, settings: Settings, secrets: Secrets, redis: Redis, outbox: Outbox, callers: Callers) -> None:
        asterisk, ports = settings.hotline.asterisk, settings.hotline.ports
        self._node = f"{asterisk.host}:{ports.ami}"
        self._outbox = outbox
        self.registry = Registry(self._node, [agent.extension for agent in settings.agents.agents])
        self.ami = AmiClient(
            asterisk.host,
            ports.ami,
            asterisk.ami_user,
            secrets.ami_secret,
            on_event=self._on_event,
            on_up=self._rebuild,
        )
        self._journal = Journal(self.ami, self._node)
        extensions = [agent.extension for agent in settings.agents.agents]
        self._commands = CommandPost(
            redis, self.ami, self.registry, settings.lines, extensions, self._node, self._publish
        )
        self._rebuilding: list[Message] | None = []
        self._taps: Taps | None = None
        if settings.hotline.listening.enabled:
            self._taps = Taps(self.ami, redis, self._publish, f"{asterisk.server_host}:{ports.audio}")
        own = asterisk.mode == "own"
        self._fastagi = FastAgiServer(
            "127.0.0.1" if own else "0.0.0.0",  # noqa: S104 - an Asterisk elsewhere connects to it
            ports.fastagi,
            {"welcome": Welcome(callers)},
            peers=() if own else (asterisk.host,),
        )

    async def start(self) -> None:
        """Listen for FastAGI and begin connecting to Asterisk. Raises OSError when the FastAGI port is taken."""
        await self._fastagi.start()
        self.ami.start()

    async def close(self) -> None:
        """Stop; calls in progress are left as they are."""
        await self._fastagi.close()
        await self._commands.close()
        if self._taps:
            await self._taps.close()
        await self._journal.close()
        await self.ami.close()

    async def _rebuild(self) -> None:
        """Learn Asterisk's present state, then handle the events that came meanwhile."""
        self._rebuilding = []
        notes = await self._journal.notes()
        linkages = await self._journal.linkages()
        channels = await self.ami.request_list("CoreShowChannels")
        taps = [channel for channel in channels if channel.get("Channel").startswith("AudioSocket/")]
        await asyncio.gather(*(self._end_old_tap(tap) for tap in taps if not self._is_ours(tap)))
        rebuilt = self.registry.rebuild(channels)
        relinked = self.registry.replay(note for call_id in self.registry.calls for note in linkages.get(call_id, []))
        ended = self._journal.ended_unseen(notes, linkages, set(self.registry.calls))
        for event in [*ended, *rebuilt, *relinked]:
            self._publish(event)
        if self._taps:
            legs = [(call, leg) for call in self.registry.calls.values() for leg in call.legs()]
            self._taps.only({leg.uniqueid for _, leg in legs}, {tap.get("Uniqueid") for tap in taps})
            for call, leg in legs:
                self._taps.want(call.call_id, leg, call.language)
        # Not before: a bridge that does not know its calls yet would say that they are nobody's.
        self._commands.start()
        missed, self._rebuilding = self._rebuilding, None
        log.info("state rebuilt from Asterisk", calls=len(self.registry.calls), events_meanwhile=len(missed))
        for message in missed:
            self._on_event(message)

    def _is_ours(self, tap: Message) -> bool:
        return self._taps is not None and self._taps.runs(tap.get("Uniqueid"))

    async def _end_old_tap(self, channel: Message) -> None:
        # A tap of an earlier bridge: nobody would ask for it again when it ends, so it is replaced by one of ours.
        try:
            await self.ami.request("Hangup", [("Channel", channel.get("Channel"))])
        except AmiError as problem:
            log.info("an old tap was gone already", tap=channel.get("Channel"), problem=str(problem))

    def _on_event(self, message: Message) -> None:
        if self._rebuilding is not None:
            self._rebuilding.append(message)
            return
        self._commands.handle(message)
        if self._taps:
            self._taps.handle(message)
            if message.event == "Hangup" and self.registry.leg_of(message.get("Uniqueid")):
                self._taps.gone(message.get("Uniqueid"))
        for event in self.registry.handle(message):
            self._publish(event)
            self._tap(event)
            if isinstance(event, AgentAnswered):
                self._commands.agent_came(event.call_id)
            if isinstance(event, LinkageLeft) and event.party == "agent":
                self._commands.agent_went(event.call_id)
            if isinstance(event, CallEnded):
                self._journal.forget(event.call_id)

    def _tap(self, event: Event) -> None:
        if self._taps is None:
            return
        call = self.registry.calls.get(getattr(event, "call_id", ""))
        if call and isinstance(event, CallArrived):
            self._taps.want(call.call_id, call.caller, call.language)
        elif call and call.agent and isinstance(event, AgentAnswered):
            self._taps.want(call.call_id, call.agent, call.language)

    def _publish(self, event: Event) -> None:
        self._outbox.publish(event)


async def wait_until_connected(bridge: Bridge, seconds: float) -> bool:
    """Whether the bridge is logged in to Asterisk within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not bridge.ami.connected:
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True
