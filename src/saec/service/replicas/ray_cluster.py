"""Ray on this machine alone, or one that runs elsewhere: started, joined, left."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from saec.errors import ConfigError
from saec.service.replica_settings import ReplicaConfig
from saec.texts import read_text
from saec.web.addresses import parse_address
from saec.web.admission.secret_files import readable_by_others
from saec.web.ray_head import ONE_MACHINE, ray_head, token_file

_STORE = 1 << 30
"""Bytes of memory in which Ray passes large bodies on."""

_FAREWELL = 30.0
"""Seconds that Ray's processes are given to end."""

_ADDRESS = "saec_cloud_address"
"""The file that names the head of a `saec cloud`'s Ray, in its folder."""

_ENTRANCE = "saec_cloud_entrance"
"""The file beside it with the stamp of its entrance."""

_PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would tell its makers of its use
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # it would let any other program go first
    **ONE_MACHINE,
}

log = structlog.get_logger()


class OwnRay:
    """Ray on this machine: on loopback, with its token, without dashboard and usage statistics.

    It has a thread: the system ends Ray's processes with the thread that has started them.

    Args:
        settings: how many replicas it must have room for.

    Raises:
        ConfigError: Ray runs in this process already.
    """

    def __init__(self, settings: ReplicaConfig) -> None:
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(settings,), name="saec-ray", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """Let its processes end with this one, which is about to end.

        To end Ray in a process whose threads may still call it can abort that process.
        """
        _forget()

    def end(self) -> None:
        """End all of its processes; nothing of this process may call Ray any more."""
        self._ended.set()
        self._thread.join(_FAREWELL)

    def _run(self, settings: ReplicaConfig) -> None:
        try:
            _start(settings)
        except Exception as e:
            self._error = e
            return
        finally:
            self._started.set()
        self._ended.wait()
        _forget()
        leave_ray()


def _start(settings: ReplicaConfig) -> None:
    _be_private()
    own_token()
    import ray

    _quiet()
    if ray.is_initialized():
        raise ConfigError("Ray runs in this process already", "start the service in a process of its own")
    cores = math.ceil((settings.up_to or settings.count) * settings.cpus) + 1
    ray.init(
        address="local",
        num_cpus=max(cores, os.cpu_count() or 1),
        include_dashboard=False,
        object_store_memory=_STORE,
        log_to_driver=False,
        configure_logging=False,
    )
    (own_folder() / _ADDRESS).write_text(ray.get_runtime_context().gcs_address)


@contextlib.contextmanager
def joined_ray(address: str) -> Iterator[None]:
    """A Ray that runs, joined as long as the context lasts.

    Args:
        address: "HOST:PORT" of its head; "auto" is that of a `saec cloud` of this user, or of the machine.

    Raises:
        ConfigError: there is none, or it does not let us in.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if (own := _own_address()) and address in ("auto", own):
        _be_private()
        address = own
    address = ray_head(address)
    import ray

    _quiet()
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
        raise ConfigError(
            f"no Ray cluster is reached at {address}: {str(e).splitlines()[0]}",
            "start `saec cloud` again if it ran here with replicas; else name the head of a cluster with "
            "--ray-address, and the file with its token in RAY_AUTH_TOKEN_PATH",
        ) from e
    try:
        yield
    finally:
        leave_ray()


def _own_address() -> str:
    """The head of a ``saec cloud``'s Ray of this user; "" where none runs."""
    note = own_folder() / _ADDRESS
    if not note.exists():
        return ""
    address = read_text(note, remedy="delete it, or name the address with --ray-address").strip()
    try:
        socket.create_connection(parse_address(address), timeout=1).close()
    except OSError:  # it was killed
        return ""
    return address


def note_entrance(stamp: str) -> None:
    """Keep the stamp of a ``saec cloud``'s entrance as long as its Ray runs."""
    (own_folder() / _ENTRANCE).write_text(stamp)


def noted_entrance() -> str:
    """What was kept; "" where nothing was."""
    note = own_folder() / _ENTRANCE
    return read_text(note, remedy="start `saec cloud` again") if note.exists() else ""


def _forget() -> None:
    for name in (_ADDRESS, _ENTRANCE):
        (own_folder() / name).unlink(missing_ok=True)


def own_folder() -> Path:
    """Where Ray keeps its sockets and logs; it lets everybody into the folders that it makes there."""
    return Path(os.environ.get("RAY_TMPDIR") or Path.home() / ".ray" / "saec")


def _be_private() -> None:
    """Say to Ray, which reads it when it is imported, how it is to run on this machine."""
    folder = own_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ |= {**_PRIVATE, "RAY_TMPDIR": str(folder)}


def leave_ray() -> None:
    """Leave the Ray that was joined, or end the one that was started here."""
    import ray

    ray.shutdown()


def own_token() -> Path | None:
    """The file of Ray's token, made where there is none; None where the environment holds the token.

    Ray itself would make one that all users of the machine can read.
    """
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    path = token_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        for text in readable_by_others((path,)):
            log.warning("secret file not private", problem=text)
    return path


def _quiet() -> None:
    """Ray's own lines are no JSON; what matters of them is in its answers. Serve sets its level at import."""
    import ray.serve  # noqa: F401

    for name in ("ray", "ray.serve"):
        logger: Any = logging.getLogger(name)
        logger.setLevel(logging.ERROR)


def hush_serve() -> None:
    """Serve's router calls it an error that its event loop, the entrance's, has ended before Serve does."""
    logging.getLogger("ray.serve").setLevel(logging.CRITICAL)
