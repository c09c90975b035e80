"""A whole station whose cloud has two addresses: who answers when one dies or changes its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Cloud, Standing
from saec.settings import CloudConfig, RemoteConfig
from saec.station import station as stations
from saec.station.maintenance.frame_replay import replay_frame
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.cloud.model_server import BROKEN, Asked, Server, listed, scored, serving
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import NO_GUARD, UNSURE, Running, png

FIRST, SECOND, STRANGE = "aa" * 32, "bb" * 32, "cc" * 32
TRUST = {
    FIRST: FUSED,
    SECOND: msgspec.structs.replace(FUSED, edge_weight=0.5, cloud_weight=0.5),
}


def _serve(server: Server, weights: str, *, up: bool = True) -> None:
    """Give a server a model, or take it away."""

    def answer(_: Asked) -> Any:
        status, headers, body = scored(-0.1, -3.0)
        return (status if up else BROKEN), headers, body | {"system_fingerprint": weights}

    server.answer = answer
    server.models = lambda: listed("small", weights) if up else (BROKEN, {}, {})


@pytest.fixture
def sites() -> Iterator[tuple[Server, Server]]:
    with serving() as one, serving() as two:
        _serve(one, FIRST)
        _serve(two, FIRST)
        yield one, two


@pytest.fixture
def station(
    tmp_path: Path, sites: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Running]:
    """Makes a station on both sites, whose line trusts the first and the second weights, in its own ways."""

    def standing(cloud: Cloud, *_: object) -> Standing:
        trust = TRUST.get(cloud.engine.weights_hash)
        return Standing("advisory" if trust is None else "fused", "", trust)

    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", standing)
    monkeypatch.setattr(stations, "_IDENTIFY", 0.02)
    make_line(tmp_path / "profile")
    settings = StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)],
        cloud=CloudConfig(
            model=", ".join(site.url for site in sites),
            service_model="small",
            references=0,
            remote=RemoteConfig(timeout_s=10.0),
        ),
        spool=SpoolLimits(free_gb=0),
        retention=Retention(images="all"),
    )

    def make(deadline: float = 20.0) -> Running:
        (line,) = settings.line
        lines = [msgspec.structs.replace(line, deadline_s=deadline)]
        return Running(msgspec.structs.replace(settings, line=lines), None, Tokens(None))

    return make


class Judged:
    """Frames that the edge is not sure of, each another."""

    def __init__(self, running: Running) -> None:
        self.running, self.n = running, 0

    def __call__(self) -> dict[str, Any]:
        self.n += 1
        answer = self.running.post(png(UNSURE, blue=self.n))
        verdict: dict[str, Any] = answer.json()["verdict"]
        return verdict

    def by(self, weights: str) -> dict[str, Any]:
        """The next verdict by a cloud of these weights."""
        found: list[dict[str, Any]] = []

        def judged() -> bool:
            found.append(self())
            return found[-1]["decided_by"] == "cloud" and found[-1]["cloud"]["weights"] == weights[:12]

        eventually(judged)
        return found[-1]

    def states(self) -> list[str]:
        addresses = self.running.client.get("/v1/status").json()["addresses"]
        return [one["state"] for one in addresses.values()]

    def alarms(self) -> list[str]:
        """Those about the cloud; that edge and cloud disagree is none."""
        kinds = [alarm["kind"] for alarm in self.running.client.get("/v1/alarms").json()]
        return [kind for kind in kinds if kind.startswith("cloud")]


def test_a_site_that_dies_costs_no_verdict(
    station: Callable[..., Running], sites: tuple[Server, Server]
) -> None:
    with station() as running:
        judged = Judged(running)
        judged.by(FIRST)
        _serve(sites[0], FIRST, up=False)
        verdicts = [judged() for _ in range(5)]
        assert [(v["state"], v["decided_by"]) for v in verdicts] == [("final", "cloud")] * 5
        assert judged.states() == ["resting", "up"]
        metrics = running.client.get("/metrics").text
        assert f'saec_cloud_address{{address="{sites[0].url}",state="resting"}} 1.0' in metrics
        assert f'saec_cloud_failed_total{{address="{sites[0].url}"}} 1.0' in metrics
        assert f'saec_cloud_weights{{address="{sites[1].url}",weights="{FIRST[:12]}"}} 1.0' in metrics
        _serve(sites[0], FIRST)
        eventually(lambda: judged.states() == ["up", "up"])
        before = len(sites[0].chats)
        judged()
        assert len(sites[0].chats) == before + 1
        assert judged.alarms() == []


def test_a_rolling_change_to_strange_weights_takes_out_one_address(
    station: Callable[..., Running], sites: tuple[Server, Server]
) -> None:
    with station() as running:
        judged = Judged(running)
        judged.by(FIRST)
        _serve(sites[0], STRANGE)
        eventually(lambda: judged.states() == ["other weights", "up"])
        before = len(sites[0].chats)
        assert [judged()["cloud"]["weights"] for _ in range(3)] == [FIRST[:12]] * 3
        assert len(sites[0].chats) == before, "it is asked about no frame"
        eventually(lambda: "cloud-weights" in judged.alarms())
        assert "cloud-untrusted" not in judged.alarms()
        assert running.client.get("/v1/status").json()["lines"]["cell"]["cloud"] == "fused"
        metrics = running.client.get("/metrics").text
        assert f'saec_cloud_address{{address="{sites[0].url}",state="other weights"}} 1.0' in metrics
        _serve(sites[0], FIRST)
        eventually(lambda: judged.states() == ["up", "up"])


def test_two_sites_with_trusted_weights_of_their_own_stand_in_order(
    station: Callable[..., Running], sites: tuple[Server, Server], tmp_path: Path
) -> None:
    _serve(sites[1], SECOND)
    with station() as running:
        judged = Judged(running)
        at_first = judged.by(FIRST)
        eventually(lambda: len(running.station.runners["cell"].clouds) == 2)
        assert judged()["cloud"]["weights"] == FIRST[:12]
        _serve(sites[0], FIRST, up=False)
        verdicts = [judged() for _ in range(3)]
        assert [v["state"] for v in verdicts] == ["final"] * 3
        assert [v["cloud"]["weights"] for v in verdicts] == [SECOND[:12]] * 3
        assert verdicts[0]["cloud"]["p_defect"] == at_first["cloud"]["p_defect"]
        assert verdicts[0]["p_defect"] != at_first["p_defect"], "each cloud counts by its own trust"
        assert judged.alarms() == []
        clouds = running.station.runners["cell"].clouds
        held = [_held(cloud.engine) for cloud in clouds]
        for verdict in (at_first, verdicts[0]):
            checks = replay_frame(running.station.settings, verdict["id"], cloud_for=lambda _: held)
            assert not [check for check in checks if check.same is False]
        _serve(sites[0], FIRST)
        judged.by(FIRST)


def _held(engine: Any) -> Cloud:
    cloud = Cloud(CloudConfig(model="small", references=0))
    cloud.__dict__.update(engine=engine, config=CloudConfig(model="small", references=0))
    return cloud


def test_weights_that_nobody_trusts_give_no_verdict_though_nobody_else_answers(
    station: Callable[..., Running], sites: tuple[Server, Server]
) -> None:
    _serve(sites[1], STRANGE)
    with station(2.0) as running:
        judged = Judged(running)
        judged.by(FIRST)
        eventually(lambda: judged.states() == ["up", "other weights"])
        before = len(sites[1].chats)
        _serve(sites[0], FIRST, up=False)
        verdict = judged()
        assert (verdict["state"], verdict["decided_by"]) == ("provisional", "edge-fallback")
        assert len(sites[1].chats) == before
