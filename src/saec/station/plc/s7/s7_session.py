"""A connection to a Siemens S7 CPU by ISO on TCP, for one thread that asks and waits for each answer."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from snap7.client import Client
from snap7.connection import ISOTCPConnection
from snap7.error import S7ConnectionError, S7ProtocolError, S7TimeoutError
from snap7.type import Area, WordLen

from saec.connecting import why
from saec.errors import LinkError, MachineError
from saec.station.plc.s7.s7_addresses import S7Address, S7Span

_Answer = TypeVar("_Answer")

_REMEDY = "permit PUT/GET for the CPU, switch optimized access off for the block, and check the address"
_READ_HEAD, _WRITE_HEAD = 18, 35
"""Bytes of a telegram that hold no data."""


class _TimedConnection(ISOTCPConnection):
    """Waits for each part of an answer within one time-out, also where its bytes come one by one."""

    def _recv_exact(self, size: int) -> bytes:
        link = self.socket
        if link is None:
            raise S7ConnectionError("Not connected")
        patience = link.gettimeout()
        end = time.monotonic() + (patience or 0.0)
        data = bytearray()
        try:
            while len(data) < size:
                link.settimeout(max(end - time.monotonic(), 1e-6))
                chunk = link.recv(size - len(data))
                if not chunk:
                    self.connected = False
                    raise S7ConnectionError("Connection closed by peer")
                data += chunk
        except TimeoutError as e:
            self.connected = False
            raise S7TimeoutError("Receive timeout") from e
        finally:
            link.settimeout(patience)
        return bytes(data)


class S7Session:
    """A connection to a CPU; made anew by ``open``.

    Args:
        host, port: the CPU's, or its communication module's.
        rack, slot: the place of the CPU.
        timeout: seconds to wait for each answer.
    """

    def __init__(self, host: str, port: int, *, rack: int, slot: int, timeout: float) -> None:
        self._host, self._port, self._rack, self._slot = host, port, rack, slot
        self._timeout = timeout
        self._where = f"S7 at {host}:{port}"
        self._client: Client | None = None
        logging.getLogger("snap7").setLevel(logging.CRITICAL)  # what it logs is raised here

    @property
    def most_read(self) -> int:
        """Bytes that one request can read."""
        return self._connected().pdu_length - _READ_HEAD

    @property
    def most_written(self) -> int:
        """Bytes that one request can write."""
        return self._connected().pdu_length - _WRITE_HEAD

    def open(self) -> None:
        """Connect.

        Raises:
            LinkError: there is no CPU, or it has no connection left.
        """
        self.close()
        client = Client()
        client.remote_tsap = client.connection_type << 8 | self._rack << 5 | self._slot
        client.connection = _TimedConnection(
            self._host, self._port, local_tsap=client.local_tsap, remote_tsap=client.remote_tsap
        )
        try:  # Client.connect has no time-out of its own
            client.connection.connect(self._timeout)
            client._setup_communication()
        except Exception as e:  # also of what is no S7, and cannot be read
            client.disconnect()
            raise self._lost(e) from e
        client.connected = True
        self._client = client

    def read(self, span: S7Span) -> bytes:
        """Bytes of a data block, by one request where ``most_read`` holds them.

        Raises:
            LinkError: no answer.
            MachineError: there are no such bytes, or the CPU gives them to nobody.
        """
        client = self._connected()
        what = f"DB{span.block} from byte {span.start}"
        return bytes(self._asked(what, lambda: client.db_read(span.block, span.start, span.size)))

    def write(self, span: S7Span, data: bytes) -> None:
        """Set bytes of a data block; raises as ``read`` does."""
        client = self._connected()
        what = f"DB{span.block} from byte {span.start}"
        self._asked(what, lambda: client.db_write(span.block, span.start, bytearray(data)))

    def write_bit(self, address: S7Address, value: bool) -> None:
        """Set one bit, and none of its neighbours; raises as ``read`` does."""
        client, place = self._connected(), 8 * address.start + address.bit
        data = bytearray([value])
        self._asked(address.text, lambda: client.write_area(Area.DB, address.block, place, data, WordLen.Bit))

    def close(self) -> None:
        """Hang up; never raises."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.disconnect()

    def _connected(self) -> Client:
        if self._client is None:
            raise LinkError(f"{self._where}: not connected", "open it first")
        return self._client

    def _asked(self, what: str, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except S7ProtocolError as e:
            raise MachineError(f"{self._where}: {what}: {e}", _REMEDY) from e
        except Exception as e:  # also of an answer that is no S7
            raise self._lost(e) from e

    def _lost(self, e: Exception) -> LinkError:
        if isinstance(e, S7TimeoutError):
            return LinkError(f"{self._where}: no answer in time", "check the network and the CPU")
        what, remedy = why(e)
        if type(e).__name__ in what:  # nothing below tells more
            what, remedy = str(e), "check rack and slot, and whether the CPU has a connection left"
        return LinkError(f"{self._where}: {what}", remedy.replace("TLS", "S7"))
