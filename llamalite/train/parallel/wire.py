"""Bytes that really left this process: asked of the kernel, socket by socket. Linux only.

gloo talks through TCP sockets, also within one machine, and Linux counts what each of them has sent and
received (``TCP_INFO``, tcp(7)). So this measures what a scheme costs as it is implemented, with all
headers, whatever the formulas say.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from typing import NamedTuple

ACKED, RECEIVED = 120, 128  # offsets in struct tcp_info of tcpi_bytes_acked and tcpi_bytes_received


class Traffic(NamedTuple):
    """Bytes since the sockets were opened."""

    sent: int
    received: int

    def since(self, before: Traffic) -> Traffic:
        return Traffic(self.sent - before.sent, self.received - before.received)


def traffic() -> Traffic | None:
    """Over all TCP sockets of this process; None where the kernel does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    counts = [count for fd in os.listdir("/proc/self/fd") if (count := of_socket(int(fd))) is not None]
    return Traffic(*(sum(column) for column in zip(*counts, strict=True))) if counts else Traffic(0, 0)


def of_socket(fd: int) -> Traffic | None:
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
        with socket.socket(fileno=os.dup(fd)) as s:
            if s.family not in (socket.AF_INET, socket.AF_INET6) or s.type != socket.SOCK_STREAM:
                return None
            info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RECEIVED + 8)
            return Traffic(*struct.unpack_from("<QQ", info, ACKED))
    except (OSError, struct.error):
        return None
