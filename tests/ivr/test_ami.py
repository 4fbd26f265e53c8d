"""The AMI client against a peer on a real socket that does what a bad day does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ivr.ami import AmiClient, AmiError
from ivr.wire.ami import Message
from ivr.wire.errors import LocalProtocolError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BANNER = b"Asterisk Call Manager/11.0.0\r\n"


@asynccontextmanager
async def peer(handler: Handler) -> AsyncIterator[int]:
    """An AMI peer; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which is what some tests want
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def request(reader: asyncio.StreamReader) -> dict[str, str]:
    block = await reader.readuntil(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in block.decode().split("\r\n") if line)


async def login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(BANNER)
    asked = await request(reader)
    assert asked["Action"] == "Login"
    writer.write(f"Response: Success\r\nActionID: {asked['ActionID']}\r\n\r\n".encode())


def client(port: int, on_event: Callable[[Message], None] = lambda _: None, **more: object) -> AmiClient:
    return AmiClient("127.0.0.1", port, "u", "s", on_event=on_event, first_pause=0.02, quiet=True, **more)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_callback_that_raises_does_not_stop_the_next_event() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        for number in range(3):
            writer.write(f"Event: Hangup\r\nNumber: {number}\r\n\r\n".encode())
        await reader.read()

    seen = []

    def on_event(message: Message) -> None:
        seen.append(message.get("Number"))
        raise RuntimeError("a bug in a callback")

    async with peer(handler) as port:
        ami = client(port, on_event)
        ami.start()
        await until(lambda: len(seen) == 3)
        assert seen == ["0", "1", "2"] and ami.connected
        await ami.close()


async def test_silence_is_not_the_end() -> None:
    """asterisk-ami's reader dies after 3 s without a byte."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        await asyncio.sleep(3.5)
        writer.write(b"Event: Hangup\r\n\r\n")
        await reader.read()

    seen: list[Message] = []
    async with peer(handler) as port:
        ami = client(port, seen.append)
        ami.start()
        await until(lambda: bool(seen))
        assert seen[0].event == "Hangup"
        await ami.close()


async def test_it_comes_back_after_a_lost_connection_and_rebuilds_each_time() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await login(reader, writer)
        if connections < 3:
            return
        await reader.read()

    ups, downs = 0, 0

    async def on_up() -> None:
        nonlocal ups
        ups += 1

    def on_down() -> None:
        nonlocal downs
        downs += 1

    async with peer(handler) as port:
        ami = client(port, on_up=on_up, on_down=on_down)
        ami.start()
        await until(lambda: ups == 3)
        assert downs == 2 and ami.trouble == ""
        await ami.close()


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 5000, BANNER + b"x" * 100_000, b"", BANNER]
)
async def test_a_peer_that_speaks_nonsense_is_left_and_tried_again(garbage: bytes) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            writer.write(garbage)
            await writer.drain()
            return
        await login(reader, writer)
        await reader.read()

    async with peer(handler) as port:
        ami = client(port)
        ami.start()
        await until(lambda: ami.connected and ami.trouble == "")
        assert connections == 2
        await ami.close()


async def test_a_refused_login_is_told_and_tried_again() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        asked = await request(reader)
        answer = f"Response: Error\r\nActionID: {asked['ActionID']}\r\nMessage: Authentication failed\r\n\r\n"
        writer.write(answer.encode())
        await reader.read()

    async with peer(handler) as port:
        ami = client(port)
        ami.start()
        await until(lambda: "Authentication failed" in ami.trouble)
        with pytest.raises(AmiError, match="no connection"):
            await ami.request("Ping")
        await ami.close()


async def test_answers_find_their_questions_and_lists_are_whole() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        first, second = await request(reader), await request(reader)
        listed, plain = (first, second) if first["Action"] == "CoreShowChannels" else (second, first)
        tag = listed["ActionID"]
        writer.write(f"Response: Success\r\nActionID: {plain['ActionID']}\r\nPing: Pong\r\n\r\n".encode())
        writer.write(f"Response: Success\r\nEventList: start\r\nActionID: {tag}\r\n\r\n".encode())
        writer.write(b"Event: Hangup\r\n\r\n")
        for name in ("a", "b"):
            writer.write(f"Event: CoreShowChannel\r\nActionID: {tag}\r\nChannel: {name}\r\n\r\n".encode())
        writer.write(f"Event: CoreShowChannelsComplete\r\nActionID: {tag}\r\n\r\n".encode())
        await reader.read()

    seen: list[Message] = []
    async with peer(handler) as port:
        ami = client(port, seen.append)
        ami.start()
        await until(lambda: ami.connected and ami.trouble == "")
        channels, pong = await asyncio.gather(ami.request_list("CoreShowChannels"), ami.request("Ping"))
        assert [m.get("Channel") for m in channels] == ["a", "b"]
        assert pong.get("Ping") == "Pong"
        assert [m.event for m in seen] == ["Hangup"]
        await ami.close()


async def test_what_waits_is_told_when_the_connection_goes() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        await request(reader)

    async with peer(handler) as port:
        ami = client(port)
        ami.start()
        await until(lambda: ami.connected and ami.trouble == "")
        with pytest.raises(AmiError, match="lost"):
            await ami.request("Ping")
        await ami.close()


async def test_no_answer_is_an_error_not_a_wait_for_ever() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        await reader.read()

    async with peer(handler) as port:
        ami = client(port)
        ami.start()
        await until(lambda: ami.connected and ami.trouble == "")
        with pytest.raises(AmiError, match="did not answer"):
            await ami.request("Ping", timeout=0.1)
        await ami.close()


async def test_a_header_cannot_smuggle_another_action() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await login(reader, writer)
        assert await reader.read() == b""

    async with peer(handler) as port:
        ami = client(port)
        ami.start()
        await until(lambda: ami.connected and ami.trouble == "")
        with pytest.raises(LocalProtocolError):
            await ami.request("Originate", [("Channel", "PJSIP/1\r\n\r\nAction: Command\r\nCommand: core stop now")])
        assert ami.connected
        await ami.close()
