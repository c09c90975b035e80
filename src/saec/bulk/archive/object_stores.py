"""Object stores and web servers, by fsspec: which one an address names, and what lies in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from saec.bulk.archive.listed_frames import missing_package
from saec.errors import ConfigError, DataError

_CHECK = "check the address, the credentials and the network"
_LATEST = ("ETag", "etag", "LastModified", "mtime", "updated", "last_modified")
"""Where stores tell that a file has changed."""


def store_of(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        ExtraError: fsspec is not installed.
        ConfigError: fsspec knows no such protocol, or what speaks it is not installed.
    """
    protocol, _, _ = address.partition("://")
    fs = _opened(protocol)
    path: str = fs._strip_protocol(address)
    return fs, path


@lru_cache(maxsize=8)
def _opened(protocol: str) -> Any:
    try:
        import fsspec
    except ImportError as e:
        raise missing_package(e) from None
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False)
    except ImportError as e:
        what = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
        name = what.get(protocol, "the package that fsspec names")
        raise ConfigError(f"{protocol}:// needs a package: {e}", f"pip install {name}") from None
    except ValueError as e:
        raise ConfigError(
            f"{protocol}:// is no protocol that fsspec knows", "use s3, gs, http or a path"
        ) from e


def stored_files(address: str) -> Iterator[tuple[str, str, str]]:
    """The files below an address, or those that its pattern fits; one folder of the store at a time.

    Args:
        address: a file, a folder, or a pattern of both with ``*``, ``**``, ``?`` and ``[abc]``.

    Yields:
        The file's address, its path relative to the root, and its stamp (``ListedFrame``).

    Raises:
        ConfigError: see ``store_of``.
        DataError: the store cannot be listed.
    """
    fs, path = store_of(address)
    try:
        yield from _files(fs, path.rstrip("/"))
    except (OSError, ValueError) as e:
        raise DataError(f"{address} cannot be listed: {e}", _CHECK) from e
    except Exception as e:  # each store's library has errors of its own
        if type(e).__module__.startswith("saec."):
            raise
        raise DataError(f"{address} cannot be listed: {type(e).__name__}: {e}", _CHECK) from e


def _files(fs: Any, path: str) -> Iterator[tuple[str, str, str]]:
    from fsspec.core import has_magic
    from fsspec.utils import glob_translate

    if not has_magic(path) and fs.isfile(path):
        yield _named(fs, path, path.rpartition("/")[0], fs.info(path))
        return
    root, pattern = path, None
    if has_magic(path):
        parts = path.split("/")
        plain = next(place for place, part in enumerate(parts) if has_magic(part))
        root, pattern = "/".join(parts[:plain]), re.compile(glob_translate(path))
    for _, _, files in fs.walk(root, detail=True, on_error="raise"):
        for info in files.values():
            if pattern is None or pattern.match(info["name"]):
                yield _named(fs, info["name"], root, info)


def _named(fs: Any, path: str, root: str, info: dict[str, Any]) -> tuple[str, str, str]:
    relative = path.removeprefix(root).lstrip("/")
    latest = next((info[key] for key in _LATEST if info.get(key)), None)
    stamp = "" if latest is None else f"{info.get('size')}-{latest}"
    return fs.unstrip_protocol(path), relative, stamp
