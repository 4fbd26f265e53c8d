"""A caller made of bytes: for INVITEs that no decent telephone would send."""

from __future__ import annotations

import asyncio
import re
import uuid


class RawCaller(asyncio.DatagramProtocol):
    """One call over UDP, written by hand, so that any header can hold anything."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._dialog = uuid.uuid4().hex
        self.to_tag = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, address: object) -> None:
        self._inbox.put_nowait(data)

    @classmethod
    async def create(cls, port: int, source: str = "127.0.0.1") -> RawCaller:
        """A caller whose messages go to this port of this machine, from the address `source`."""
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_datagram_endpoint(cls, local_addr=(source, 0), remote_addr=("127.0.0.1", port))
        return caller

    async def invite(self, display_name: bytes, number: str = "13800138000", called: str = "12345") -> int:
        """Call with this display name, raw between the quotes; returns the final SIP status and sends the ACK."""
        sdp = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n" % (
            self.port + 1
        )
        self._called, self._from = (
            called,
            b'"%s" <sip:%s@127.0.0.1>;tag=%s'
            % (
                display_name,
                number.encode(),
                self._dialog[:8].encode(),
            ),
        )
        self._send(b"INVITE", 1, sdp)
        while True:
            answer = await asyncio.wait_for(self._inbox.get(), 10)
            status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"SIP/2.0") else 0
            if status >= 200:
                if tag := re.search(rb"\r\nTo:[^\r]*;tag=([^;\r]+)", answer):
                    self.to_tag = tag[1].decode()
                self._send(b"ACK", 1)
                return status

    async def bye(self) -> None:
        """Hang up."""
        self._send(b"BYE", 2)
        await asyncio.wait_for(self._inbox.get(), 10)
        self.transport.close()

    def _send(self, method: bytes, sequence: int, body: bytes = b"") -> None:
        tag = f";tag={self.to_tag}" if self.to_tag else ""
        lines = [
            b"%s sip:%s@127.0.0.1 SIP/2.0" % (method, self._called.encode()),
            b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s%s;rport" % (self.port, self._dialog.encode(), method),
            b"From: " + self._from,
            f"To: <sip:{self._called}@127.0.0.1>{tag}".encode(),
            b"Call-ID: %s@test" % self._dialog.encode(),
            b"CSeq: %d %s" % (sequence, method),
            b"Contact: <sip:caller@127.0.0.1:%d>" % self.port,
            b"Max-Forwards: 70",
            b"Content-Type: application/sdp",
            b"Content-Length: %d" % len(body),
        ]
        self.transport.sendto(b"\r\n".join(lines) + b"\r\n\r\n" + body)
