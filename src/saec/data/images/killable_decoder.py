"""Decoding of files that nobody vouches for, in a process that can be stopped and killed.

What a decoder's library does with a malicious file (a loop, gigabytes, a crash) costs that process and not
the one that asked. One is kept warm beside those that work, so that the frame after a bomb waits for little.
"""

from __future__ import annotations

import threading

from saec.data.images.decoder_process import CAPACITY, DecoderProcess
from saec.errors import ConfigError, DecoderError, DecoderStartError, ImageError
from saec.settings import FitConfig
from saec.types import Image

SECONDS = 5.0
"""Processor time of one frame. 12 million pixels take a tenth of a second as JPEG, half a second as PNG."""

MEMORY = 1_500_000_000
"""Bytes of one frame. The largest one with 16 bit takes 1.1 GB."""


class Spares:
    """Processes that are warm before they are needed; shared by the decoders of one program.

    Args:
        memory: bytes of one frame.
        spare: keep one; without it each is started when it is needed.
    """

    def __init__(self, memory: int = MEMORY, *, spare: bool = True) -> None:
        self._memory, self._closed = memory, not spare
        self._lock = threading.Lock()
        self._spare: DecoderProcess | None = None

    def take(self) -> DecoderProcess:
        """A process, warm if the last one was taken a moment ago; the next one begins to warm itself.

        Raises:
            DecoderStartError: the machine has no room for one.
        """
        with self._lock:
            taken, self._spare = self._spare, None
            if taken is not None and not taken.alive:
                taken.close()
                taken = None
            taken = taken or DecoderProcess(self._memory)
            if not self._closed:
                self._refill()
            return taken

    def _refill(self) -> None:
        try:
            self._spare = DecoderProcess(self._memory)
        except DecoderError:
            self._spare = None  # there is none to spare; who needs one says so

    def close(self) -> None:
        """End the one that waits."""
        with self._lock:
            self._closed = True
            if self._spare is not None:
                self._spare.close()
                self._spare = None


class Decoder:
    """Decodes one file at a time; safe to use from several threads.

    Args:
        spares: where its processes come from.
        seconds: processor time of one frame.
    """

    def __init__(self, spares: Spares, *, seconds: float = SECONDS) -> None:
        self._spares, self._seconds = spares, seconds
        self._turn = threading.Lock()
        self._process: DecoderProcess | None = None
        self._closed = False

    def warm(self) -> None:
        """Have a process that loads its libraries meanwhile, so that the first frame does not wait.

        Raises:
            DecoderStartError: the machine has no room for one.
        """
        with self._turn:
            self._process = self._process or self._spares.take()

    def decode(self, data: bytes, *, bits: int = FitConfig().bits, name: str = "") -> Image:
        """Decode a file's bytes to H x W x 3 RGB uint8, upright; see ``pixels.decode_image``.

        Raises:
            ImageError: the file's fault, as ``images.decode`` says it.
            DecoderOverranError: it took more processor time or memory than a frame may, or hung.
            DecoderDiedError: the process ended while it decoded the file.
            DecoderStartError: there is no process; no fault of the file.
            OSError: the machine's fault, such as no handle.
            ConfigError: ``bits`` out of range.
        """
        name = name or "image"
        if not 8 <= bits <= 16:
            raise ConfigError(
                f"bits is {bits}, but must be 8 to 16", "give how many bits your 16-bit images really use"
            )
        if len(data) > CAPACITY:
            raise ImageError(
                f"{name}: the file has {len(data) / 1e6:.0f} MB; at most {CAPACITY / 1e6:.0f} MB are taken",
                "save it as PNG or JPEG",
            )
        with self._turn:
            if self._closed:
                raise _closed()
            try:
                return self._decode(data, bits, name)
            except DecoderStartError:
                if self._process is not None:  # it is on its way
                    raise
                return self._decode(data, bits, name)  # it died while it had nothing to do; another has not

    def _decode(self, data: bytes, bits: int, name: str) -> Image:
        process = self._process = self._process or self._spares.take()
        try:
            return process.decode(data, bits, self._seconds, name)
        except (DecoderError, OSError) as e:
            if process.warming and not self._closed:
                raise
            self._process = None
            process.close()
            if self._closed:
                raise _closed() from e
            raise

    def kill(self) -> None:
        """End what is being decoded; it raises ``DecoderDiedError`` where it was asked for."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End its process; a file that is being decoded is not at fault."""
        self._closed = True
        self.kill()
        with self._turn:
            if self._process is not None:
                self._process.close()
                self._process = None


def _closed() -> DecoderStartError:
    return DecoderStartError("the decoder was closed", "start the program again")
