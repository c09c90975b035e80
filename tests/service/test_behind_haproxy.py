"""Two of our own services behind Debian's haproxy, one of them killed while eight clients ask."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from saec.cloud import open_engine
from saec.cloud.remote.engine import RemoteEngine
from saec.cloud.remote.model_list import introduced
from saec.frame.cloud_services import at_service
from saec.settings import CloudConfig, RemoteConfig
from saec.types import CloudQuery, Frame
from tests.processes import Program, eventually, serving
from tests.service.service_helpers import noise

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(HAPROXY is None, reason="needs haproxy: apt-get install haproxy"),
]

CONFIG = """
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 3
    retry-on conn-failure empty-response response-timeout 502 503
frontend stations
    bind 127.0.0.1:{port}
    default_backend clouds
backend clouds
    balance leastconn
    option httpchk GET /ready
    default-server check inter 500ms fall 1 rise 1
{servers}
"""


@contextmanager
def _proxy(folder: Path, *services: Program) -> Iterator[str]:
    """haproxy before some services; its address."""
    assert HAPROXY is not None
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    servers = "\n".join(
        f"    server s{n} {httpx.URL(one.url).netloc.decode()}" for n, one in enumerate(services)
    )
    (folder / "haproxy.cfg").write_text(CONFIG.format(port=port, servers=servers), "utf-8")
    process = subprocess.Popen([HAPROXY, "-db", "-q", "-f", folder / "haproxy.cfg"])
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(ready)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[list[Program]]:
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            options = ("--device", "cpu", "--dtype", "float32", "--listen", "127.0.0.1:0")
            started.append(stack.enter_context(serving("cloud", *options, cwd=tmp_path / name)))
        yield started


@pytest.mark.parametrize(
    "direct", [False, True], ids=["the proxy alone", "the proxy and an address behind it"]
)
def test_a_service_is_killed_and_each_frame_has_its_one_answer(
    services: list[Program], tmp_path: Path, direct: bool
) -> None:
    queries = [CloudQuery(Frame(f"frame-{n}", noise(n)), ()) for n in range(8)]
    here = open_engine(CloudConfig(model="small", references=0, dtype="float32", device="cpu"))
    expected = {q.frame.id: here.judge([q])[0].p_defect for q in queries}
    with _proxy(tmp_path, *services) as url:
        urls = ",".join([f"{url}/v1", *([services[1].url] if direct else [])])
        remote = RemoteConfig(url=urls, timeout_s=60.0, concurrency=8, spread=direct)
        config = CloudConfig(model=urls, references=0, remote=remote)
        engine = open_engine(at_service(config, *introduced(remote, "small")))
        assert isinstance(engine, RemoteEngine)

        def ask(client: int) -> list[tuple[str, float]]:
            found = []
            for n in range(24):
                if client == 0 and n == 6:
                    services[0].process.kill()
                query = queries[(client + n) % len(queries)]
                found += [(query.frame.id, opinion.p_defect) for opinion in engine.judge([query])]
            return found

        with ThreadPoolExecutor(8) as pool:
            answers = [answer for found in pool.map(ask, range(8)) for answer in found]
        figures = engine.addresses
        engine.close()
    print("\n", {address: (one.asked, one.failed, one.hedged) for address, one in figures.items()})
    assert services[0].process.wait(60) != 0
    assert len(answers) == 8 * 24
    for name, p in answers:
        assert p == pytest.approx(expected[name], abs=1e-5)
