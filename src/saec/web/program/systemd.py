"""What systemd is told of a program (sd_notify(3)): ready, alive, stopping, and in a word how it does.

The protocol is one datagram to the socket that ``NOTIFY_SOCKET`` names. There is no library for it that is
kept and needs no compiler.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from saec.texts import whole_number


class Systemd:
    """Tells systemd; where there is none, nobody.

    Args:
        environ: the environment variables of the process.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        where = environ.get("NOTIFY_SOCKET", "")
        self._where = "\0" + where[1:] if where.startswith("@") else where
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if where else None
        self._said = ""
        watchdog = whole_number(environ.get("WATCHDOG_USEC", ""))
        self.interval = watchdog / 3e6 if watchdog else None
        """Seconds after which to say ``alive`` again; None where nobody listens for it."""

    def ready(self) -> None:
        """What had to start has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Every thread makes progress; without this for ``WatchdogSec`` systemd ends the process."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """What ``systemctl status`` shows; sent when it is another than before."""
        text = " ".join(text.split())
        if text != self._said:
            self._said = text
            self._send(f"STATUS={text}")

    def _send(self, words: str) -> None:
        """Never waits and never fails: a program does not end because nobody hears it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(words.encode(), socket.MSG_DONTWAIT, self._where)
