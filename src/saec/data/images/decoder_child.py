"""What runs in a decoder's process: bytes in, pixels out, through memory that both sides see.

It is started by ``saec.data.images.decoder_process`` and speaks with nobody else. It ends when the other
side of its socket is closed, even while a file keeps it busy.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

import cv2
import numpy as np

from saec.data.images import pixels as images
from saec.errors import ImageError

HEAD = struct.Struct("<QII")
"""Bytes of the file, significant bits of 16-bit sources, seconds of processor time; then comes the name."""

PACKET = 65536
BEGUN = 1
"""In the last byte of the memory: the file is being decoded, so what ends the process is its fault."""

_SPARE = 5
"""Seconds beyond its limit after which the system ends a decoder whose station is not there to do it."""


def main(handle: int, memory: int, shared: int) -> None:
    """Serve until the station is gone.

    Args:
        handle: the handle of the socket.
        memory: bytes that a decoding may take beside what the process has when it is warm.
        shared: handle of the memory for files and pixels.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the station decides when it ends
    link = socket.socket(fileno=handle)
    threading.Thread(target=_end_with, args=(link,), daemon=True).start()
    with contextlib.suppress(OSError):  # where the machine runs out of memory, this goes and not the station
        Path("/proc/self/oom_score_adj").write_text("1000")
    cv2.setNumThreads(1)
    area = mmap.mmap(shared, os.fstat(shared).st_size)
    _warm_up()
    _limit_memory(memory)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries write what they think of a file
    link.send(b"ready")
    while request := link.recv(PACKET):
        area[-1] = BEGUN
        link.send(json.dumps(_answer(request, area)).encode())


def _end_with(link: socket.socket) -> None:
    """End when the other side is closed; a poll for nothing still hears of that."""
    poll = select.poll()
    poll.register(link, 0)
    poll.poll()
    os._exit(0)


def _warm_up() -> None:
    """Load what is loaded at a first use, so that it counts neither as time nor as memory of a file."""
    from PIL import Image

    Image.init()
    for suffix in (".png", ".jpg"):
        images.decode_image(cv2.imencode(suffix, np.zeros((8, 8, 3), np.uint8))[1].tobytes())


def _limit_memory(memory: int) -> None:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (held + memory, held + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(request: bytes, area: mmap.mmap) -> dict[str, object]:
    size, bits, seconds = HEAD.unpack_from(request)
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = int(used.ru_utime + used.ru_stime) + seconds + _SPARE
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
    try:
        pixels = images.decode_image(
            area[:size], bits=bits, name=request[HEAD.size :].decode(errors="replace")
        )
        np.ndarray(pixels.shape, np.uint8, area)[...] = pixels
    except ImageError as e:
        return {"what": e.what, "remedy": e.remedy, "kind": type(e).__name__}
    except MemoryError:
        return {"memory": True}
    except OSError as e:
        return {"errno": e.errno, "strerror": e.strerror}
    return {"shape": pixels.shape}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
