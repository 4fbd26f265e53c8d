"""Free ports for the telephones that this machine plays: several calls at once must not take each other's."""

from __future__ import annotations

import random
import socket

# Below the range that Linux hands out to outgoing connections (32768 and up), so that none is taken meanwhile.
_FIRST, _LAST = 16000, 32700
_range = (_FIRST, _LAST)

_given: set[int] = set()
"""Ports that this process has given out: they may not be bound yet."""


def use_part(index: int, parts: int) -> None:
    """From now on give out ports of this part of the range only: processes that run side by side take one each."""
    global _range
    size = (_LAST - _FIRST) // parts // 2 * 2
    _range = (_FIRST + index * size, _FIRST + (index + 1) * size)


def free_udp_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` consecutive free UDP ports; it is even, as RTP wants.

    Raises OSError when there are none.
    """
    return _free(count, host, socket.SOCK_DGRAM)


def free_tcp_port(host: str = "127.0.0.1") -> int:
    """A free TCP port. Raises OSError when there is none."""
    return _free(1, host, socket.SOCK_STREAM)


def _free(count: int, host: str, kind: socket.SocketKind) -> int:
    for _ in range(2):
        for _ in range(200):
            first = random.randrange(_range[0], _range[1] - count, 2)
            ports = range(first, first + count)
            if _given.isdisjoint(ports) and all(_is_free(host, port, kind) for port in ports):
                _given.update(ports)
                return first
        _given.clear()  # a process that runs for long has given out all of them; most are free again
    raise OSError(f"no {count} free ports in a row between {_range[0]} and {_range[1]} on {host}")


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
