"""Checkpoints from a hub, pinned: files by commit and hash, no pickles, a lock that can be verified.

``pull`` asks the hub for the commit behind a revision and for each file's hash, downloads (an interrupted
download goes on where it stopped), compares, and writes ``models.lock``. ``verify`` compares again, offline.
"""

from __future__ import annotations

import hashlib
import os
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from saec.errors import ExtraError, ModelError
from saec.profile import sha256_file
from saec.texts import read_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOCK = "models.lock"
PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.jinja")
"""What is pulled; whatever else a repository holds stays there."""

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


class LockedFile(msgspec.Struct, frozen=True):
    """One file of a pulled checkpoint."""

    sha256: str
    size: int


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """``models.lock``: what was pulled, from where, at which commit."""

    name: str
    revision: str
    commit: str
    files: dict[str, LockedFile]


def pull_checkpoint(name: str, folder: Path, *, revision: str, token: str | None = None) -> Lock:
    """Download a checkpoint's safetensors, JSON, text and templates, and lock them.

    Args:
        name: hub name, ``owner/model``.
        folder: where the files go; made when missing.
        revision: branch, tag or commit.
        token: access token; None takes the hub client's own (HF_TOKEN or its login).

    Raises:
        ModelError: no such model or revision, no access, no safetensors, no connection, or a file whose
            content is not what the hub states.
        ExtraError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError:
        raise ExtraError("huggingface-hub", "cloud") from None
    # Read here and not at huggingface_hub's import, so that a mirror can be set at any time.
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    info = _ask(name, revision, lambda: api.model_info(name, revision=revision, files_metadata=True))
    wanted = [f for f in info.siblings if any(fnmatch(f.rfilename, p) for p in PATTERNS)]
    if not any(f.rfilename.endswith(".safetensors") for f in wanted):
        raise ModelError(
            f"{name} at {revision} holds no safetensors",
            "choose a repository with safetensors; pickles are never downloaded",
        )
    for file in wanted:
        _ask(name, revision, partial(_fetch, api, name, info.sha, file, folder))
    files = {
        f.rfilename: LockedFile(sha256_file(folder / f.rfilename), (folder / f.rfilename).stat().st_size)
        for f in sorted(wanted, key=lambda f: f.rfilename)
    }
    lock = Lock(name=name, revision=revision, commit=info.sha, files=files)
    (folder / LOCK).write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")
    return lock


def verify_checkpoint(folder: Path) -> list[str]:
    """Hash a pulled checkpoint again.

    Args:
        folder: a folder that ``pull`` made.

    Returns:
        One sentence per difference; empty when all files are as they were locked.

    Raises:
        ModelError: no lock there, a damaged one, or a pickle in the folder.
    """
    lock = _read_lock(folder)
    present = {
        p.relative_to(folder).as_posix()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".cache" not in p.relative_to(folder).parts
    } - {LOCK}
    refuse_pickles(folder, present)
    faults = []
    for path, locked in sorted(lock.files.items()):
        if path not in present:
            faults.append(f"{path} is missing")
        elif (folder / path).stat().st_size != locked.size:
            faults.append(f"{path} has {(folder / path).stat().st_size} bytes; the lock says {locked.size}")
        elif sha256_file(folder / path) != locked.sha256:
            faults.append(f"{path} does not have the sha256 of the lock")
    return faults + [f"{path} is not listed in the lock" for path in sorted(present - lock.files.keys())]


def refuse_pickles(folder: Path, names: set[str]) -> None:
    """Raise ModelError when a file could be a pickle; an OpenVINO .bin beside its .xml is none."""
    for name in sorted(names):
        path = Path(name)
        beside_graph = path.suffix == ".bin" and path.with_suffix(".xml").as_posix() in names
        if path.suffix.lower() in PICKLES and not beside_graph:
            raise ModelError(
                f"{folder / name} may be a pickle; opening a pickle can run any code",
                f"delete it, or convert it to safetensors: saec models convert {folder / name} --out DIR",
            )


def _fetch(api: HfApi, name: str, commit: str, stated: Any, folder: Path) -> None:
    """Download one file, going on where an earlier process stopped; it appears only when its hash is right.

    The hub's own client starts a file anew in each process, which a checkpoint's shards are too large for.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    target = folder / stated.rfilename
    if folder.resolve() not in target.resolve().parents:
        raise ModelError(
            f"{name} holds a file whose name leads outside the folder: {stated.rfilename}",
            "do not use this repository: this can be an attack",
        )
    if target.is_file() and _is_stated(target, stated):
        return
    part = folder / ".cache" / f"{stated.blob_id}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as out:
        http_get(
            hf_hub_url(name, stated.rfilename, revision=commit, endpoint=api.endpoint),
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(token=api.token),
            expected_size=stated.size,
            displayed_filename=stated.rfilename,
        )
    if not _is_stated(part, stated):
        part.unlink()
        raise ModelError(
            f"{stated.rfilename} does not have the hash that the hub gives",
            "pull again: the copy here was deleted; if the error stays, the hub or a proxy changes files",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)


def _is_stated(path: Path, stated: Any) -> bool:
    """Whether a file is what the hub states: by the sha256 of large files, by git's blob id of small ones."""
    if stated.lfs is not None:
        return sha256_file(path) == str(stated.lfs.sha256)
    return _blob_id(path) == str(stated.blob_id)


def _blob_id(path: Path) -> str:
    """Git's name of a file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _ask(name: str, revision: str, question: Any) -> Any:
    """Call the hub; its errors become ours, each with its remedy."""
    import httpx
    from huggingface_hub import errors

    login = "set HF_TOKEN, or name the variable that holds a token with --token-env"
    try:
        return question()
    except errors.GatedRepoError as e:
        raise ModelError(
            f"{name} needs permission on the hub", f"accept its terms on the hub, then {login}"
        ) from e
    except errors.RevisionNotFoundError as e:
        raise ModelError(
            f"{name} has no revision {revision!r}", "name an existing branch, tag or commit"
        ) from e
    except errors.RepositoryNotFoundError as e:
        raise ModelError(f"{name} is not on the hub, or is private", f"check the name; {login}") from e
    except errors.HfHubHTTPError as e:
        if e.response is not None and e.response.status_code in (401, 403):
            raise ModelError(f"the hub refuses access to {name} ({e.response.status_code})", login) from e
        raise ModelError(f"the hub failed for {name}: {e}", "pull again; downloaded files are kept") from e
    except errors.HFValidationError as e:
        raise ModelError(f"{name!r} is not a valid name on the hub", "write it as OWNER/MODEL") from e
    except (httpx.HTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as e:
        raise ModelError(
            f"cannot get {name} from the hub: {e}",
            "check the connection and HF_ENDPOINT, then pull again; downloaded files are kept",
        ) from e


def _read_lock(folder: Path) -> Lock:
    missing = ModelError(f"{folder} has no {LOCK}", "pull the model with `saec models pull NAME --out DIR`")
    return read_json(folder / LOCK, Lock, error=ModelError, remedy="pull the model again", missing=missing)
