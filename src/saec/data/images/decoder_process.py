"""One process that decodes: started, asked, watched and killed from here.

Files go in and pixels come out through shared memory, so that a large frame is copied once each way and is
not packed. The process's own processor time is what is limited: on a busy machine a frame may wait for long
and has used up nothing. Only a process that uses none at all counts as hanging.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import select
import socket
import subprocess
import sys
import time
from typing import Any

import numpy as np

from saec.data.images.decoder_child import BEGUN, HEAD, PACKET
from saec.data.images.headers.common import MAX_PIXELS, DamagedError, TooLargeError, UnknownFormatError
from saec.errors import DecoderDiedError, DecoderError, DecoderOverranError, DecoderStartError, ImageError
from saec.silence import own_environment
from saec.types import Image

CAPACITY = 3 * MAX_PIXELS // mmap.PAGESIZE * mmap.PAGESIZE
"""Bytes of the largest file and of the largest picture; only what is used of it takes memory."""

_SHARED = CAPACITY + mmap.PAGESIZE

_KEPT = 64 * 1024 * 1024
"""Bytes beyond which the shared memory is given back after a frame."""

_KINDS: dict[str, type[ImageError]] = {
    kind.__name__: kind for kind in (DamagedError, TooLargeError, UnknownFormatError)
}
"""Errors of an image come out as what they were in the process, so that a verdict's reason is the same."""

_NAME = 1000
_STEP = 0.1
HANG = 20.0
"""Seconds in which a process that was given work uses no processor time, after which it is ended."""

SLOW_START = 20.0
"""Seconds that a file waits for its process to be ready. It goes on to load meanwhile."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_LIGHTER = "make the image smaller, or export it again as PNG or JPEG"


class DecoderProcess:
    """A process that decodes one file at a time.

    Args:
        memory: bytes that one decoding may take.

    Raises:
        DecoderStartError: the machine has no handle, no memory or no process left for it.
    """

    def __init__(self, memory: int) -> None:
        self._ready = False
        self.memory = memory
        with contextlib.ExitStack() as undo:
            try:
                shared = os.memfd_create("saec-decoder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                undo.callback(os.close, shared)
                os.ftruncate(shared, _SHARED)
                fcntl.fcntl(shared, fcntl.F_ADD_SEALS, _SEALS)  # else touching it could end this process
                self._area = mmap.mmap(shared, _SHARED)
                undo.callback(self._area.close)
                self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.callback(self._link.close)
                with theirs:
                    self._process = self._spawn(theirs.fileno(), shared)
            except OSError as e:
                raise DecoderStartError(
                    f"the decoder process cannot be started: {e.strerror}",
                    "free memory, processes or file handles on this machine",
                ) from e
            undo.pop_all()
        os.close(shared)
        self._clock = ((~self._process.pid) << 3) | 2  # of its processor time: Linux, clock_getcpuclockid(3)
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)

    def _spawn(self, link: int, shared: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "saec.data.images.decoder_child",
                str(link),
                str(self.memory),
                str(shared),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(link, shared),
            env={**own_environment(), **_ALONE},
            start_new_session=True,  # what a terminal sends to the station is not for it
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def warming(self) -> bool:
        """It lives and is not ready yet."""
        return not self._ready and self.alive

    def decode(self, data: bytes, bits: int, seconds: float, name: str) -> Image:
        """As ``Decoder.decode``; after a ``DecoderError`` the process is of no more use."""
        self._await_ready()
        self._area[: len(data)] = data
        self._area[-1] = 0
        try:
            began = self._used()
            self._link.send(
                HEAD.pack(len(data), bits, int(seconds) + 1) + name.encode(errors="backslashreplace")[:_NAME]
            )
        except OSError:
            raise self._not_started("it ended before it got a file") from None
        answer = self._receive(name, began + seconds, seconds)
        if "shape" in answer:
            return self._pixels(answer["shape"], len(data), name)
        if "what" in answer:
            raise _KINDS.get(answer["kind"], ImageError)(answer["what"], answer["remedy"])
        if "memory" in answer:
            most = f"{self.memory / 1e9:.1f} GB of memory"
            raise DecoderOverranError(f"{name}: decoding takes more than {most}", _LIGHTER)
        raise OSError(answer["errno"], answer["strerror"])

    def kill(self) -> None:
        """End it at once, whatever it does; who waits for it hears of its death."""
        self._process.kill()

    def close(self) -> None:
        """End it and let go of all that belongs to it."""
        self.kill()
        self._process.wait()
        self._link.close()
        self._area.close()

    def _await_ready(self) -> None:
        """Wait until it has loaded its libraries; that counts against no frame."""
        begun = time.monotonic()
        while not self._ready:
            if self._poll.poll(1000 * _STEP):
                self._ready = self._read() == b"ready"
                if not self._ready:
                    raise self._not_started("it ended before it was ready")
            elif time.monotonic() - begun > SLOW_START:
                raise self._not_started(f"it was not ready after {SLOW_START:.0f} s")

    def _not_started(self, why: str) -> DecoderStartError:
        return DecoderStartError(f"the decoder process did not start: {why}", "free memory on this machine")

    def _receive(self, name: str, end: float, seconds: float) -> dict[str, Any]:
        """Its answer, awaited as long as it works and has processor time left."""
        last, idle = end - seconds, time.monotonic()
        while not self._poll.poll(1000 * _STEP):
            try:
                used = self._used()
            except OSError:
                continue  # it is gone, which the socket will say
            if used > end:
                what = f"{name}: decoding takes more than {seconds:g} s of processor time"
                raise DecoderOverranError(what, _LIGHTER)
            if used > last:
                last, idle = used, time.monotonic()
            elif time.monotonic() - idle > HANG:
                raise self._hung(name)
        answer = self._read()
        if not answer:
            raise self._died(name)
        loaded: dict[str, Any] = json.loads(answer)
        return loaded

    def _read(self) -> bytes:
        """The next message; nothing where the process has gone."""
        try:
            return self._link.recv(PACKET)
        except OSError:
            return b""

    def _used(self) -> float:
        """Its processor time in seconds."""
        return time.clock_gettime(self._clock)

    def _hung(self, name: str) -> DecoderError:
        if self._area[-1] != BEGUN:
            return self._not_started(f"it did not start on a file for {HANG:.0f} s")
        return DecoderOverranError(f"{name}: the decoder hung for {HANG:.0f} s", _LIGHTER)

    def _died(self, name: str) -> DecoderError:
        self.kill()
        code = self._process.wait()
        if self._area[-1] != BEGUN:
            return self._not_started("it ended before it started on a file")
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        return DecoderDiedError(f"{name}: the decoder process ended {how}", _LIGHTER)

    def _pixels(self, shape: Any, size: int, name: str) -> Image:
        height, width, channels = shape
        if channels != 3 or not 0 < 3 * height * width <= CAPACITY:
            raise self._died(name)
        pixels: Image = np.ndarray((height, width, 3), np.uint8, self._area).copy()
        if max(size, pixels.nbytes) > _KEPT:
            self._area.madvise(mmap.MADV_REMOVE)
        return pixels
