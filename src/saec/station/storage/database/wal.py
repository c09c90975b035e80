"""SQLite's write-ahead log, as far as damage has to be told from a torn end.

SQLite reads a log up to the first frame whose checksum is wrong and forgets what comes after. After a power
cut that is the last transaction, which was never acknowledged. Where more follow, acknowledged ones are lost.
Source: https://sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD, _FRAME = 32, 24
_LONGEST = 32 * 1024 * 1024
"""Bytes of a log that is looked through; a longer one would hold up the start."""

_PAGE = 4096

_Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _LogFrame:
    """One page in the log; ``sound`` as its checksum says, held against that of the frame before."""

    head: bytes
    page: bytes
    sound: bool

    @property
    def commits(self) -> bool:
        return self.head[4:8] != bytes(4)


def is_log_sound(path: Path) -> bool:
    """Whether a log holds nothing acknowledged that SQLite would not read."""
    if not path.exists() or path.stat().st_size > _LONGEST:
        return True
    data = path.read_bytes()
    if len(data) < _HEAD or not any(data[:_HEAD]):  # a head of zeros was never synced
        return True
    if _order(data) is None:
        return False
    frames = list(_frames(data))
    first = next((i for i, frame in enumerate(frames) if not frame.sound), len(frames))
    return sum(frame.commits for frame in frames[first:]) < 2


def rebuild_log(path: Path) -> None:
    """Write a log anew, without the frames that are damaged and with those behind them."""
    data = path.read_bytes() if path.exists() else b""
    if len(data) < _HEAD + _FRAME:
        return
    if rebuilt := _order(data) is None:
        data = _new_head(data[_HEAD + 8 : _HEAD + 16]) + data[_HEAD:]
    order = _order(data) or "<"
    out, sums = [data[:_HEAD]], struct.unpack(">2I", data[24:32])
    for n, frame in enumerate(_frames(data)):
        if frame.sound or (rebuilt and n == 0):  # the first one's checksum hangs on the head
            sums = _sum(frame.head[:8] + frame.page, order, sums)
            out += [frame.head[:16], struct.pack(">2I", *sums), frame.page]
    path.write_bytes(b"".join(out))


def _new_head(salts: bytes) -> bytes:
    """The head of a log with these salts, which each of its frames bears."""
    plain = struct.pack(">4I", 0x377F0682, 3007000, _PAGE, 0) + salts
    return plain + struct.pack(">2I", *_sum(plain, "<", (0, 0)))


def _order(data: bytes) -> str | None:
    """Byte order of a log's checksums; None where its head is damaged."""
    if len(data) < _HEAD:
        return None
    order = {0x377F0682: "<", 0x377F0683: ">"}.get(struct.unpack(">I", data[:4])[0])
    if order is None or _sum(data[:24], order, (0, 0)) != struct.unpack(">2I", data[24:32]):
        return None
    return order


def _frames(data: bytes) -> Iterator[_LogFrame]:
    """The frames of the log's last round, which bear the salts of its head."""
    order = _order(data) or "<"
    size = struct.unpack(">I", data[8:12])[0]
    before: _Sums = struct.unpack(">2I", data[24:32])
    for start in range(_HEAD, len(data) - _FRAME - size + 1, _FRAME + size):
        head, page = data[start : start + _FRAME], data[start + _FRAME : start + _FRAME + size]
        told: _Sums = struct.unpack(">2I", head[16:24])
        sound = _sum(head[:8] + page, order, before) == told
        if head[8:16] != data[16:24] and not sound:
            return  # of an earlier round
        yield _LogFrame(head, page, sound and head[8:16] == data[16:24])
        before = told


def _sum(data: bytes, order: str, before: _Sums) -> _Sums:
    s, t = before
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        s = (s + words[i] + t) & 0xFFFFFFFF
        t = (t + words[i + 1] + s) & 0xFFFFFFFF
    return s, t
