"""``saec models pull|verify`` against a hub of a few routes on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from saec.cli import main
from saec.cloud.checkpoints import hub
from saec.errors import ModelError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 4096


@dataclass
class Hub:
    """What the server holds and how it behaves; requests are kept as (method, path, range, token)."""

    files: dict[str, bytes] = field(
        default_factory=lambda: {
            "config.json": b'{"model_type": "qwen2_5_vl"}',
            "model.safetensors": WEIGHTS,
            "pytorch_model.bin": b"\x80\x02 a pickle",
            "sub/vocab.txt": b"a\nb\n",
        }
    )
    refuse: int | None = None
    refuse_files: int | None = None
    cut: int | None = None
    tamper: str | None = None
    requests: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)


def _git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _sibling(name: str, data: bytes) -> dict[str, object]:
    sibling: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": _git_blob(data)}
    if name.endswith((".safetensors", ".bin")):
        sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return sibling


def _handler(state: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def reply(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
            state.requests.append(
                (self.command, path, self.headers.get("Range"), self.headers.get("Authorization"))
            )
            if state.refuse:
                code = {401: "RepoNotFound", 404: "RepoNotFound", 403: "GatedRepo"}[state.refuse]
                self.reply(state.refuse, b"{}", {"X-Error-Code": code}, body)
            elif match := re.fullmatch(r"/api/models/some/model/revision/(.+)", path):
                self.info(match[1], body)
            elif match := re.fullmatch(rf"/some/model/resolve/{COMMIT}/(.+)", path):
                self.file(match[1], body)
            else:
                self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

        def info(self, revision: str, body: bool) -> None:
            if revision not in ("main", COMMIT):
                self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
                return
            siblings = [_sibling(name, data) for name, data in state.files.items()]
            data = json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode()
            self.reply(200, data, {"Content-Type": "application/json"}, body)

        def file(self, name: str, body: bool) -> None:
            data = state.files[name]
            etag = hashlib.sha256(data).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if body and state.refuse_files:
                self.reply(state.refuse_files, b"{}", {}, body)
                return
            if state.tamper == name:
                data = b"#" * len(data)
            start = 0
            if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
                start = int(asked[1])
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if body and state.cut and name.endswith(".safetensors"):
                # An honest header, then half of the promise, then the line goes dead.
                self.reply(206 if start else 200, data[start:], headers, body=False)
                self.wfile.write(data[start : state.cut])
                self.close_connection = True
                return
            self.reply(206 if start else 200, data[start:], headers, body)

    return Handler


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def pulled(fake: Hub, tmp_path: Path) -> Path:
    hub.pull_checkpoint("some/model", tmp_path / "m", revision="main")
    return tmp_path / "m"


def test_pull_locks_commit_and_hashes_and_leaves_pickles(
    fake: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "some/model", "--out", str(tmp_path / "m")]) == 0
    lock = json.loads((tmp_path / "m" / hub.LOCK).read_text())
    assert lock["commit"] == COMMIT
    assert lock["revision"] == "main"
    assert {k: v["sha256"] for k, v in lock["files"].items()} == {
        name: hashlib.sha256(fake.files[name]).hexdigest()
        for name in ("config.json", "model.safetensors", "sub/vocab.txt")
    }
    assert not (tmp_path / "m" / "pytorch_model.bin").exists()
    assert not any("pytorch_model" in path for _, path, _, _ in fake.requests)
    assert main(["models", "verify", str(tmp_path / "m")]) == 0
    assert COMMIT in capsys.readouterr().out


def test_token_is_taken_from_the_named_variable(
    fake: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["models", "pull", "some/model", "--out", str(tmp_path), "--token-env", "PLANT_TOKEN"]
    assert main(call) == 2
    assert "PLANT_TOKEN is not set" in capsys.readouterr().err
    assert fake.requests == []
    monkeypatch.setenv("PLANT_TOKEN", "hf_secret")
    assert main(call) == 0
    assert all(token == "Bearer hf_secret" for *_, token in fake.requests)
    assert "hf_secret" not in (tmp_path / hub.LOCK).read_text()


def test_a_cut_download_goes_on_where_it_stopped(
    fake: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    fake.cut = len(WEIGHTS) // 2
    with pytest.raises(ModelError, match="some/model"):
        hub.pull_checkpoint("some/model", tmp_path, revision="main")
    assert not (tmp_path / hub.LOCK).exists()
    assert not (tmp_path / "model.safetensors").exists()
    fake.cut = None
    fake.requests.clear()
    hub.pull_checkpoint("some/model", tmp_path, revision="main")
    ranges = [r for method, path, r, _ in fake.requests if method == "GET" and "safetensors" in path]
    assert len(ranges) == 1
    start = re.fullmatch(r"bytes=(\d+)-", ranges[0] or "")
    assert start is not None
    assert 0 < int(start[1]) <= len(WEIGHTS) // 2
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


def test_pulling_again_fetches_only_what_changed(fake: Hub, pulled: Path) -> None:
    _flip(pulled / "config.json")
    fake.requests.clear()
    hub.pull_checkpoint("some/model", pulled, revision="main")
    assert [path.rsplit("/", 1)[1] for _, path, _, _ in fake.requests[1:]] == ["config.json"]
    assert hub.verify_checkpoint(pulled) == []


def test_a_file_name_that_leaves_the_folder_is_refused(fake: Hub, tmp_path: Path) -> None:
    fake.files["../evil.json"] = b"{}"
    with pytest.raises(ModelError, match="evil"):
        hub.pull_checkpoint("some/model", tmp_path / "m", revision="main")
    assert not (tmp_path / "evil.json").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_content_that_the_hub_did_not_state_is_refused_and_removed(
    fake: Hub, tmp_path: Path, name: str
) -> None:
    fake.tamper = name
    with pytest.raises(ModelError, match=f"{name} does not have the hash that the hub gives"):
        hub.pull_checkpoint("some/model", tmp_path, revision="main")
    assert not (tmp_path / hub.LOCK).exists()
    assert not (tmp_path / name).exists()
    fake.tamper = None
    assert name in hub.pull_checkpoint("some/model", tmp_path, revision="main").files


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "not on the hub, or is private"),
        (404, "not on the hub, or is private"),
        (403, "needs permission on the hub"),
    ],
)
def test_refusals_name_the_remedy(fake: Hub, tmp_path: Path, status: int, words: str) -> None:
    fake.refuse = status
    with pytest.raises(ModelError, match=words) as caught:
        hub.pull_checkpoint("some/model", tmp_path, revision="main")
    assert "HF_TOKEN" in caught.value.remedy


def test_a_file_that_is_refused_and_an_unknown_revision(fake: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no revision 'v9'"):
        hub.pull_checkpoint("some/model", tmp_path, revision="v9")
    fake.refuse_files = 403
    with pytest.raises(ModelError, match="refuses access to some/model"):
        hub.pull_checkpoint("some/model", tmp_path, revision="main")


def test_bad_name_pickles_alone_and_no_server(
    fake: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError):
        hub.pull_checkpoint("a/b/c", tmp_path, revision="main")
    del fake.files["model.safetensors"]
    with pytest.raises(ModelError, match="no safetensors"):
        hub.pull_checkpoint("some/model", tmp_path, revision="main")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot get some/model") as caught:
        hub.pull_checkpoint("some/model", tmp_path, revision="main")
    assert "HF_ENDPOINT" in caught.value.remedy


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda m: _flip(m / "model.safetensors"), "model.safetensors does not have the sha256 of the lock"),
        (lambda m: (m / "config.json").write_bytes(b"{}"), "config.json has 2 bytes; the lock says"),
        (lambda m: (m / "sub" / "vocab.txt").unlink(), "sub/vocab.txt is missing"),
        (lambda m: (m / "extra.json").write_text("{}"), "extra.json is not listed in the lock"),
    ],
)
def test_verify_names_the_difference(
    pulled: Path, damage: Callable[[Path], object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub.verify_checkpoint(pulled) == []
    damage(pulled)
    faults = hub.verify_checkpoint(pulled)
    assert len(faults) == 1
    assert faults[0].startswith(words)
    assert main(["models", "verify", str(pulled)]) == 2
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pytorch_model.bin", "deep/best.pt", "old.pth", "x.PKL"])
def test_verify_refuses_pickles_with_a_remedy(pulled: Path, name: str) -> None:
    (pulled / name).parent.mkdir(exist_ok=True)
    (pulled / name).write_bytes(b"\x80\x02.")
    with pytest.raises(ModelError, match="pickle") as caught:
        hub.verify_checkpoint(pulled)
    assert "saec models convert" in caught.value.remedy


def test_openvino_weights_are_no_pickle(tmp_path: Path) -> None:
    hub.refuse_pickles(tmp_path, {"detector.xml", "detector.bin"})
    with pytest.raises(ModelError):
        hub.refuse_pickles(tmp_path, {"detector.bin"})


def test_verify_without_a_lock_or_with_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no models\.lock"):
        hub.verify_checkpoint(tmp_path)
    (tmp_path / hub.LOCK).write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        hub.verify_checkpoint(tmp_path)
