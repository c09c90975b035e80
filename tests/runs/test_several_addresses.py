"""A run asks a service at several addresses; what identifies it is the model, not where it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec import edge
from saec.data.input_images import list_inputs
from saec.errors import ConfigError
from saec.frame import judges as loading
from saec.frame.judges import Cloud, Standing
from saec.profile import LineProfile
from saec.runs.run_folder import Options, run_line
from saec.runs.run_record import RunInfo, read_run
from saec.runs.verdict_log import read_verdicts
from saec.settings import RemoteConfig
from tests.cloud.model_server import BROKEN, Asked, Server, listed, scored, serving
from tests.run_fakes import FUSED, FakeDetector, make_dataset, make_line

HASH, OTHER = "aa" * 32, "bb" * 32


def _serve(server: Server, weights: str) -> None:
    def answer(_: Asked) -> Any:
        status, headers, body = scored(-0.1, -3.0)
        return status, headers, body | {"system_fingerprint": weights}

    server.answer, server.models = answer, lambda: listed("small", weights)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Server]]:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    monkeypatch.setattr("saec.runs.description.standing", lambda *_: Standing("fused", "", FUSED))
    with serving() as one, serving() as two:
        _serve(one, HASH)
        _serve(two, HASH)
        yield one, two


def _cloud(*servers: Server) -> Cloud:
    url = ",".join(server.url for server in servers)
    return Cloud(url, service_model="small", references=0, remote=RemoteConfig(timeout_s=10.0))


def _run(folder: Path, cloud: Cloud, *, resume: bool = False) -> RunInfo:
    line, data = folder / "line", folder / "data"
    if not line.exists():
        make_line(line)
        make_dataset(data)
    options = Options(policy="cloud", resume=resume)
    return run_line(LineProfile.open(line), list_inputs(data), folder / "run", cloud=cloud, options=options)


def test_the_record_counts_by_address(servers: tuple[Server, Server], tmp_path: Path) -> None:
    one, two = servers
    usual, broken = one.answer, list[Asked]()

    def shaky(asked: Asked) -> Any:
        if len(one.chats) < 5:
            return usual(asked)
        broken.append(asked)
        return BROKEN, {}, {}

    one.answer = shaky
    info = _run(tmp_path, _cloud(one, two))
    assert info.cloud is not None
    counted = read_run(tmp_path / "run").cloud
    assert counted is not None
    first, second = counted.addresses.values()
    assert list(counted.addresses) == [one.url, two.url]
    assert (first.asked, second.asked) == (len(one.asked), len(two.asked))
    assert (first.failed, second.failed) == (len(broken), 0)
    assert broken
    assert {first.weights, second.weights} == {HASH}
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    assert len({verdict.id for verdict in verdicts}) == len(verdicts)
    assert all(verdict.cloud and verdict.cloud.weights == HASH[:12] for verdict in verdicts)


def test_a_run_goes_on_at_another_address_but_not_with_other_weights(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    one, two = servers
    _run(tmp_path, _cloud(one))
    assert _run(tmp_path, _cloud(two, one), resume=True).cloud is not None
    _serve(two, OTHER)
    with pytest.raises(ConfigError, match="another cloud"):
        _run(tmp_path, _cloud(two, one), resume=True)


def test_an_address_that_is_away_at_the_start_is_asked_later(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    one, two = servers
    one.models = lambda: (503, {}, {})
    info = _run(tmp_path, _cloud(one, two))
    assert info.cloud is not None
    assert info.cloud.weights_hash == HASH
    assert info.cloud.addresses[one.url].asked > 0
