"""Formats whose header is text: Netpbm, X bitmaps and pixmaps, IFUNC's."""

from __future__ import annotations

import re

from saec.data.images.headers.common import Header, check_size, damaged

_LONGEST = 65536
"""Bytes within which such a header ends."""

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NETPBM = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?=\s|#)")
_PAM = re.compile(
    rb"P7\n(?:(?:#.*|DEPTH \d{1,2}|MAXVAL \d{1,5}|TUPLTYPE \w+"
    rb"|WIDTH (\d{1,9})|HEIGHT (\d{1,9}))\n){4,40}ENDHDR\n"
)
_XBM_WIDTH = re.compile(rb"#define[ \t]+\S*width[ \t]+(\d{1,9})\s")
_XBM_HEIGHT = re.compile(rb"#define[ \t]+\S*height[ \t]+(\d{1,9})\s")
_XPM = re.compile(rb"\"[ \t]*(\d{1,9})[ \t]+(\d{1,9})[ \t]+(\d{1,9})[ \t]+(\d{1,9})[ \t\"]")
_MOST_COLOURS = 65536
_IM = re.compile(rb"(?:\A|[\r\n])Image size \(x\*y\)[ \t]*:[ \t]*(\d{1,9})\*(\d{1,9})[ \t]*[\r\n]")


def read_netpbm(data: bytes, name: str) -> Header:
    """Header of PBM, PGM, PPM or PAM.

    Raises:
        ImageError: a header that does not follow the format's grammar, or a size beyond the limit.
    """
    head = data[:_LONGEST]
    found = _PAM.match(head)
    if found is not None and found[1] and found[2]:
        return _sized("PAM", found[1], found[2], name, opencv=True)
    found = _NETPBM.match(head)
    if found is None:
        raise damaged(name, "a Netpbm file without a size")
    return _sized("PPM", found[2], found[3], name, opencv=found[1] in b"56")


def read_xbm(data: bytes, name: str) -> Header:
    """Header of an X bitmap.

    Raises:
        ImageError: no size, or one beyond the limit.
    """
    head = data[:_LONGEST]
    width, height = _XBM_WIDTH.findall(head), _XBM_HEIGHT.findall(head)
    if len(width) != 1 or len(height) != 1 or b"_bits[] = {" not in head:
        raise damaged(name, "an X bitmap without a size")
    return _sized("XBM", width[0], height[0], name)


def read_xpm(data: bytes, name: str) -> Header:
    """Header of an X pixmap.

    Raises:
        ImageError: no size, or one beyond the limit.
    """
    found = _XPM.search(data[:_LONGEST])
    if found is None or int(found[3]) > _MOST_COLOURS or not 0 < int(found[4]) <= 4:
        raise damaged(name, "an X pixmap without a size")
    return _sized("XPM", found[1], found[2], name)


def read_im(data: bytes, name: str) -> Header:
    """Header of an IFUNC image (``.im``).

    Raises:
        ImageError: no size, or one beyond the limit.
    """
    head = data[:_LONGEST]
    sizes = _IM.findall(head)
    if len(sizes) != 1 or b"\x1a" not in head:
        raise damaged(name, "an IFUNC image without a size")
    width, height = sizes[0]
    return _sized("IM", width, height, name)


def is_im(data: bytes) -> bool:
    """Whether the bytes are such an image."""
    return _IM.search(data[:_LONGEST]) is not None


def _sized(kind: str, width: bytes, height: bytes, name: str, *, opencv: bool = False) -> Header:
    check_size(int(width), int(height), name)
    return Header(kind, int(width), int(height), opencv=opencv)
