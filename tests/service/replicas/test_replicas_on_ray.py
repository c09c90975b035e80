"""Replicas in a true Ray: one process and three give the same, whatever dies or changes meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from saec.service.served_model import ServedModel
from saec.web.addresses import is_loopback
from saec.web.admission.tokens import token_hash
from tests.service.service_helpers import data_url, encoded, noise, running, scoring_body

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]
pytest.importorskip("ray")

CHAT = "/v1/chat/completions"
TOLERANCE = 1e-5
URLS = [data_url(encoded(noise(seed, 240, 240))) for seed in range(6)]


@dataclass
class Program:
    """A ``saec cloud`` with replicas.

    Attributes:
        process: its process.
        config: its settings file.
        where: its address.
    """

    process: subprocess.Popen[str]
    config: Path
    where: str

    def client(self, token: str = "A") -> httpx.Client:
        header = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.where, headers=header, timeout=120, trust_env=False)

    def replicas(self) -> list[psutil.Process]:
        return _below(self.process.pid, "ray::ServeReplica:saec-engines")


def _settings(folder: Path, adapter: Path) -> Path:
    (folder / "tokens").write_text(f"a {token_hash('A')}\n")
    (folder / "tokens").chmod(0o600)
    file = folder / "cloud.toml"
    file.write_text(
        "[service]\nlisten = '127.0.0.1:0'\ntokens_file = 'tokens'\nqueue = 2\nbatch = 1\n"
        f"[service.adapters]\nscrews = '{adapter}'\n"
        "[cloud]\ndevice = 'cpu'\ndtype = 'float32'\n[replicas]\ncount = 3\ncpus = 0.5\n"
    )
    return file


def _service(file: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "saec", "cloud", "--config", str(file)]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environ)


@pytest.fixture(scope="module")
def program(adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Three replicas that serve the small checkpoint with an adapter."""
    folder = tmp_path_factory.mktemp("replicas")
    # A short path: sockets are made below it.
    environ = {**os.environ, "RAY_TMPDIR": str(tmp_path_factory.getbasetemp()), "OMP_NUM_THREADS": "1"}
    os.environ["RAY_TMPDIR"] = environ["RAY_TMPDIR"]
    file = _settings(folder, adapters["screws"])
    with _service(file, environ) as process:
        assert process.stderr is not None
        entries = (json.loads(line) for line in process.stderr if line.startswith("{"))
        where = next(e["address"] for e in entries if e["event"] == "listening").removesuffix("/v1")
        reader = threading.Thread(target=lambda: [None for _ in entries], daemon=True)
        reader.start()
        try:
            yield Program(process, file, where)
        finally:
            os.environ.pop("RAY_TMPDIR")
            process.kill()


def _answers(http: httpx.Client, model: str) -> list[dict[str, Any]]:
    asked = [http.post(CHAT, json=scoring_body(url, model)) for url in URLS]
    assert [one.status_code for one in asked] == [200] * len(URLS), asked[0].text
    return [one.json() for one in asked]


def _answer(http: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a client that waits where it is told that there is no room now."""
    while (got := http.post(CHAT, json=body)).status_code == 429:
        threading.Event().wait(0.2)
    assert got.status_code == 200, got.text
    found: dict[str, Any] = got.json()
    return found


def _logprobs(answer: dict[str, Any]) -> dict[str, float]:
    top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return {one["token"]: one["logprob"] for one in top}


def _same(there: dict[str, Any], here: dict[str, Any]) -> None:
    assert there["system_fingerprint"] == here["system_fingerprint"]
    assert there["usage"] == here["usage"]
    assert _logprobs(there) == pytest.approx(_logprobs(here), abs=TOLERANCE)


@pytest.fixture(scope="module")
def alone(served: ServedModel) -> dict[str, list[dict[str, Any]]]:
    """What one process answers."""
    with running(served) as (where, _), httpx.Client(base_url=where, timeout=60, trust_env=False) as http:
        return {model: _answers(http, model) for model in ("small", "screws", "bolts.2")}


def test_three_replicas_answer_as_one_process_does(
    program: Program, alone: dict[str, list[dict[str, Any]]]
) -> None:
    with program.client() as http:
        for model in ("small", "screws"):
            for there, here in zip(_answers(http, model), alone[model], strict=True):
                _same(there, here)
        listed = http.get("/v1/models").json()["data"]
        assert [one["id"] for one in listed] == ["small", "screws"]
        ids = http.post("/tokenize", json={"prompt": "Label: 0"}).json()["tokens"]
        assert http.post("/detokenize", json={"tokens": ids}).json() == {"prompt": "Label: 0"}
        missing = http.post(CHAT, json=scoring_body(URLS[0], "nuts"))
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
        assert http.get("/ready").json() == {"ready": True, "problems": []}
        text = http.get("/metrics").text
    assert "saec_cloud_replicas 3.0" in text


def test_a_body_beyond_what_grpc_takes_is_answered_as_one_process_does(
    program: Program, served: ServedModel
) -> None:
    body = scoring_body(data_url(encoded(noise(9, 1300, 1300))))
    assert len(json.dumps(body)) > 4 << 20
    with program.client() as http:
        there = http.post(CHAT, json=body)
    with running(served) as (where, _), httpx.Client(base_url=where, timeout=60, trust_env=False) as http:
        _same(there.json(), http.post(CHAT, json=body).json())


def test_limits_and_keys_hold_across_replicas(program: Program) -> None:
    with program.client("wrong") as http:
        assert http.post(CHAT, json=scoring_body(URLS[0])).status_code == 401
    with program.client() as http, ThreadPoolExecutor(4) as pool:
        key = {"Idempotency-Key": "once"}
        asked = list(
            pool.map(lambda _: http.post(CHAT, json=scoring_body(URLS[0]), headers=key).json(), range(4))
        )
        assert len({one["id"] for one in asked}) == 1
        other = http.post(CHAT, json=scoring_body(URLS[1]), headers=key)
        assert other.json()["error"]["code"] == "key_reused"
        # Three replicas have nine places, of which one token gets four.
        bodies = [scoring_body(URLS[n % 6]) for n in range(24)]
        with ThreadPoolExecutor(24) as many:
            answers = list(many.map(lambda body: http.post(CHAT, json=body), bodies))
        assert {one.status_code for one in answers} == {200, 429}
        refused = next(one for one in answers if one.status_code == 429)
        assert refused.json()["error"]["code"] == "share_taken"


def test_no_answer_is_lost_when_replicas_are_killed(
    program: Program, alone: dict[str, list[dict[str, Any]]]
) -> None:
    with program.client() as http, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(_answer, http, scoring_body(URLS[n % 6])) for n in range(36)]
        for _ in range(2):
            program.replicas()[0].kill()
            asked[6].result()
        for n, one in enumerate(asked):
            _same(one.result(), alone["small"][n % 6])
        _wait(lambda: "saec_cloud_replicas 3.0" in http.get("/metrics").text)


def test_each_answer_names_the_weights_that_computed_it_while_they_are_changed(
    program: Program, adapters: dict[str, Path], alone: dict[str, list[dict[str, Any]]]
) -> None:
    """The adapter "screws" becomes what one process serves as "bolts.2"."""
    known = {alone[model][0]["system_fingerprint"]: alone[model] for model in ("screws", "bolts.2")}
    assert len(known) == 2
    file, ended = program.config, threading.Event()
    file.write_text(file.read_text().replace(str(adapters["screws"]), str(adapters["bolts.2"])))
    seen: list[str] = []

    def ask(n: int) -> None:
        with program.client() as http:
            while not ended.is_set():
                answer = _answer(http, scoring_body(URLS[n], "screws"))
                seen.append(answer["system_fingerprint"])
                _same(answer, known[seen[-1]][n])

    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(ask, n) for n in range(3)]
        try:
            assert _saec("deploy", "--config", str(file)) == "deployed: saec-engines\n"
        finally:
            ended.set()
        for client in clients:
            client.result()
    assert set(seen) == set(known)
    new = alone["bolts.2"][0]["system_fingerprint"][:12]
    assert _saec("deployed").count(f"screws@{new}") == 3


def test_ray_listens_on_loopback_but_for_one_port_of_each_replica(program: Program) -> None:
    """Ray's token guards that port (docs/fleet.md)."""
    replicas = {one.pid for one in program.replicas()}
    for one in psutil.Process(program.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            listening = [c.laddr.ip for c in one.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            beyond = [ip for ip in listening if not is_loopback(ip.removeprefix("::ffff:"))]
            assert len(beyond) == (one.pid in replicas), (one.cmdline(), listening)


def test_stopping_finishes_what_was_accepted(program: Program) -> None:
    below = psutil.Process(program.process.pid).children(recursive=True)
    with program.client() as http, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(http.post, CHAT, json=scoring_body(url)) for url in URLS[:4]]
        program.process.send_signal(signal.SIGTERM)
        assert {one.result().status_code for one in asked} <= {200, 503}
    assert program.process.wait(120) == 0
    assert not psutil.wait_procs(below, timeout=240)[
        1
    ]  # two agents of Ray see only after a minute that it ended


def test_a_stop_while_replicas_load_prints_no_dump(
    adapters: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environ = {**os.environ, "RAY_TMPDIR": str(tmp_path_factory.getbasetemp()), "OMP_NUM_THREADS": "1"}
    with _service(_settings(tmp_path, adapters["screws"]), environ) as process:
        _wait(lambda: _below(process.pid, "ray::ServeController"))  # Ray has started, no replica is there
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0
    assert [line for line in said.splitlines() if not line.startswith("{")] == []
    assert "stopped during the start" in said


def _wait(true: Any) -> None:
    """Wait for what is sure to come; a test that it never comes to fails by its own time-out."""
    while not true():
        threading.Event().wait(0.2)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A Ray that runs without a service; gives the process that has started it."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path_factory.getbasetemp()))
    program = (
        "import sys\n"
        "from saec.service.replica_settings import ReplicaConfig\n"
        "from saec.service.replicas.ray_cluster import OwnRay\n"
        "own = OwnRay(ReplicaConfig(count=2, cpus=0.5))\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
        "own.end()\n"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert "up\n" in process.stdout  # after what it logs
            yield process.pid
            process.stdin.close()
            assert process.wait(120) == 0
        finally:
            process.kill()


def _saec(*argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "saec", "cloud", *argv],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_is_deployed_to_a_cluster_and_taken_away(
    cluster: int, tmp_path: Path, alone: dict[str, list[dict[str, Any]]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        listen = f"127.0.0.1:{bound.getsockname()[1]}"
    options = ["--listen", listen, "--device", "cpu", "--dtype", "float32", "--replica-cpus", "0.5"]
    assert _saec("deploy", *options, "--replicas", "2") == "deployed: saec-engines, saec\n"
    assert _saec("deployed").count("small@") == 2
    with httpx.Client(base_url=f"http://{listen}", timeout=120, trust_env=False) as http:
        for there, here in zip(_answers(http, "small"), alone["small"], strict=True):
            _same(there, here)
        (entrance,) = _below(cluster, "ray::ServeReplica:saec:")
        assert _saec("deploy", *options, "--replicas", "1") == "deployed: saec-engines\n"
        (same,) = _below(cluster, "ray::ServeReplica:saec:")
        assert same.pid == entrance.pid
        replaced = _saec("deploy", *options, "--queue", "9").splitlines()
        assert replaced[0] == "deployed: saec-engines, saec"
        assert replaced[1].endswith("another service.queue.")
        (other,) = _below(cluster, "ray::ServeReplica:saec:")
        assert other.pid != entrance.pid
        other.kill()
        _wait(lambda: _status(http) == 200)
        _answers(http, "small")
        assert _saec("remove") == "removed\n"
        _wait(lambda: _status(http) == 0)  # Serve has ended, and its proxy
    assert (
        "no service"
        in subprocess.run(
            [sys.executable, "-m", "saec", "cloud", "deployed"], capture_output=True, text=True, timeout=300
        ).stderr
    )


def _status(http: httpx.Client) -> int:
    try:
        return http.get("/ready").status_code
    except httpx.HTTPError:
        return 0


def _below(pid: int, title: str) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if " ".join(one.cmdline()).startswith(title):
                found.append(one)
    return found
