"""The FastAGI server on a real socket: a good Asterisk, a bad one, and strangers."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator

import pytest

from front.ports import free_tcp_port
from ivr.fastagi import AgiFailed, FastAgiServer, HungUp, Session

ENVIRONMENT = b"agi_network: yes\nagi_network_script: %s\nagi_channel: PJSIP/x-1\nagi_callerid: 13800138000\n\n"


class Flows:
    """The flows of these tests, and what became of them."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.failed: list[BaseException] = []

    async def talk(self, session: Session) -> None:
        try:
            for number in range(3):
                self.seen.append(await session.get_variable(f"V{number}"))
        except BaseException as problem:
            self.failed.append(problem)
            raise

    async def bug(self, session: Session) -> None:
        raise RuntimeError("a bug in a flow")


@pytest.fixture
def flows() -> Flows:
    return Flows()


@pytest.fixture
async def port(flows: Flows) -> AsyncIterator[int]:
    port = free_tcp_port()
    server = FastAgiServer("127.0.0.1", port, {"talk": flows.talk, "bug": flows.bug})
    await server.start()
    yield port
    await server.close()


async def dial(port: int, flow: bytes = b"talk") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ENVIRONMENT % flow)
    return reader, writer


async def test_a_flow_talks_to_the_channel(port: int, flows: Flows) -> None:
    reader, writer = await dial(port)
    for number in range(3):
        assert await reader.readline() == b'GET FULL VARIABLE "${V%d}"\n' % number
        writer.write(b"200 result=1 (value %d)\n" % number)
    assert await reader.read() == b""
    assert flows.seen == ["value 0", "value 1", "value 2"]


async def test_hangup_between_replies_is_state_not_a_reply(port: int, flows: Flows) -> None:
    """panoramisk takes the line HANGUP for the next reply, and every later reply for the one before."""
    reader, writer = await dial(port)
    await reader.readline()
    writer.write(b"HANGUP\n200 result=1 (first)\n")
    await reader.readline()
    writer.write(b"200 result=1 (second)\n")
    await reader.readline()
    writer.write(b"511 Command Not Permitted on a dead channel\n")
    assert await reader.read() == b""
    assert flows.seen == ["first", "second"]
    assert isinstance(flows.failed[0], HungUp)


async def test_a_caller_who_hangs_up_ends_the_flow(port: int, flows: Flows) -> None:
    reader, writer = await dial(port)
    await reader.readline()
    writer.close()
    async with asyncio.timeout(5):
        while not flows.failed:
            await asyncio.sleep(0.01)
    assert isinstance(flows.failed[0], HungUp)


async def test_a_bug_in_a_flow_ends_its_own_session_only(port: int, flows: Flows) -> None:
    good_reader, good_writer = await dial(port)
    await good_reader.readline()
    bad_reader, _ = await dial(port, b"bug")
    assert await bad_reader.read() == b""
    for _ in range(3):
        good_writer.write(b"200 result=1 (still here)\n")
        await good_reader.readline()
    assert flows.seen == ["still here"] * 3


async def test_an_unknown_flow_is_refused(port: int) -> None:
    reader, _ = await dial(port, b"../../etc/passwd")
    assert await reader.read() == b""


async def still_works(port: int, flows: Flows) -> None:
    flows.seen.clear()
    reader, writer = await dial(port)
    for _ in range(3):
        await reader.readline()
        writer.write(b"200 result=1 (fine)\n")
    assert await reader.read() == b""
    assert flows.seen == ["fine"] * 3


async def test_connect_and_close_a_thousand_times(port: int, flows: Flows) -> None:
    """panoramisk's server hangs for ever after one."""
    for _ in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    await still_works(port, flows)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff\x00" * 9000, b"\n", b"200 result=0\n"]
)
async def test_garbage_is_refused(port: int, flows: Flows, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(garbage)
    writer.write_eof()
    async with asyncio.timeout(5):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            writer.close()  # reset, with our bytes unread: a refusal too
    await still_works(port, flows)


async def test_a_hundred_megabytes_without_a_newline(port: int, flows: Flows) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    with pytest.raises(ConnectionError):
        for _ in range(100):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1
    assert sent < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    await still_works(port, flows)


async def test_replies_that_nobody_asked_for_end_the_session(port: int, flows: Flows) -> None:
    reader, writer = await dial(port)
    await reader.readline()
    writer.write(b"200 result=0\n" * 500)
    async with asyncio.timeout(5):
        while not flows.failed:
            await asyncio.sleep(0.01)
    assert isinstance(flows.failed[0], AgiFailed)
    await still_works(port, flows)
