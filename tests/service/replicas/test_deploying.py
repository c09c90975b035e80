"""What is refused before something is deployed, and what is said of it. Ray is not started."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saec.cli import main
from saec.errors import ConfigError, ModelError
from saec.service.replica_settings import ReplicaConfig
from saec.service.replicas.deployed_settings import Deployed, check_models, check_room
from saec.service.replicas.local_replicas import open_replicas
from saec.service.replicas.ray_cluster import note_entrance, noted_entrance
from saec.web.program import logs


@pytest.fixture(autouse=True)
def logs_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure_logs", lambda level: None)  # of the whole process


@pytest.mark.parametrize("command", ["cloud", "cloud deploy"])
def test_fewer_replicas_under_load_are_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    argv = [*command.split(), "--listen", "127.0.0.1:0", "--replicas", "3", "--replicas-up-to", "2"]
    assert main(argv) == 2
    assert "--replicas-up-to 2 is less than --replicas 3" in capsys.readouterr().err


def test_a_missing_model_is_told_before_ray_is_joined(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    assert main(["cloud", "deploy", "--model", "nosuch", "--ray-address", "127.0.0.1:1"]) == 2
    assert "nosuch is not a folder" in capsys.readouterr().err


def test_a_model_of_the_hub_is_left_to_the_replicas(tmp_path: Path) -> None:
    check_models(Deployed.read({"service": {"model": "owner/model"}}), fetch=False)
    missing = {"model": "owner/model", "adapters": {"screws": str(tmp_path / "none")}}
    with pytest.raises(ModelError, match="none is missing"):
        check_models(Deployed.read({"service": missing}), fetch=False)


@pytest.mark.parametrize(
    ("settings", "gpus", "have", "fault"),
    [
        (ReplicaConfig(count=2), 1.0, {"CPU": 8.0}, "no GPU for Ray"),
        (ReplicaConfig(count=3), 1.0, {"CPU": 8.0, "GPU": 2.0}, "1 GPUs each do not fit on 2"),
        (ReplicaConfig(count=3), 0.6, {"CPU": 8.0, "GPU": 2.0}, "0.6 GPUs each do not fit on 2"),
        (ReplicaConfig(count=9), 0.0, {"CPU": 8.0}, "started for 8 CPUs"),
    ],
)
def test_what_does_not_fit_is_refused(
    settings: ReplicaConfig, gpus: float, have: dict[str, float], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        check_room(settings, gpus, have)


def test_what_fits_is_let_through() -> None:
    check_room(ReplicaConfig(count=4), 0.5, {"CPU": 4.0, "GPU": 2.0})
    check_room(ReplicaConfig(count=2, cpus=0.5), 0.0, {"CPU": 1.0})


def test_more_cores_than_the_machine_has_are_refused() -> None:
    more = (os.cpu_count() or 1) + 1
    with pytest.raises(ConfigError, match=f"--replica-cpus {more}"):
        open_replicas(Deployed.read({"replicas": {"count": 2, "cpus": more}}))


def test_the_settings_of_an_entrance_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert noted_entrance() == ""
    note_entrance("stamp")
    assert noted_entrance() == "stamp"


def _own_cloud(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The deployment's module, as it is where the entrance is a ``saec cloud``; nothing is run."""
    deployment = pytest.importorskip("saec.service.replicas.deployment")
    monkeypatch.setattr(deployment, "_applications", lambda: {"saec-engines": "RUNNING"})
    monkeypatch.setattr(deployment, "run_application", lambda *_: None)
    monkeypatch.setattr(deployment, "engines_of", lambda deployed: None)
    monkeypatch.setattr(deployment, "gpus_each", lambda deployed: 0.0)
    monkeypatch.setattr(deployment.ray, "cluster_resources", lambda: {"CPU": 4.0})
    return deployment


def test_one_replica_is_refused_where_a_saec_cloud_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = _own_cloud(monkeypatch)
    with pytest.raises(ConfigError, match="these settings have one") as told:
        deployment.deploy_service(Deployed.read({}))
    assert "start it without" in told.value.remedy


def test_settings_that_need_a_new_start_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    deployment = _own_cloud(monkeypatch)
    tables = {"replicas": {"count": 2}}
    note_entrance(Deployed.read(tables).stamp)
    same = deployment.deploy_service(Deployed.read({"replicas": {"count": 3}}))
    assert (same.differs, same.stale) == ([], False)
    others = {**tables, "http": {"hosts": ["h"]}, "service": {"queue": 3}}
    changed = deployment.deploy_service(Deployed.read(others))
    assert (changed.differs, changed.stale) == (["http.hosts", "service.queue"], True)


def _cluster(monkeypatch: pytest.MonkeyPatch, runs: Deployed) -> Any:
    """The deployment's module, as it is where both applications are deployed; nothing is run."""
    deployment = _own_cloud(monkeypatch)
    monkeypatch.setattr(
        deployment, "_applications", lambda: dict.fromkeys(["saec", "saec-engines"], "RUNNING")
    )
    monkeypatch.setattr(deployment, "_entrance_stamp", lambda: runs.stamp)
    monkeypatch.setattr(deployment, "entrance_of", lambda deployed: None)
    monkeypatch.setattr(deployment.serve, "start", lambda **_: None)
    return deployment


def test_an_entrance_that_is_replaced_is_told_with_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = _cluster(monkeypatch, Deployed.read({}))
    assert deployment.deploy_service(Deployed.read({})).names == ["saec-engines"]
    done = deployment.deploy_service(Deployed.read({"http": {"hosts": ["h"]}}))
    assert (done.names, done.differs, done.stale) == (["saec-engines", "saec"], ["http.hosts"], False)


def test_what_proxies_keep_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = _cluster(monkeypatch, Deployed.read({}))
    with pytest.raises(ConfigError, match=r"another service\.listen, and its proxies keep it") as told:
        deployment.deploy_service(Deployed.read({"service": {"listen": "127.0.0.1:8101"}}))
    assert "saec cloud remove" in told.value.remedy


def test_a_replicas_own_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = pytest.importorskip("saec.service.replicas.deployment")
    text = "It failed to start.\nTraceback (most recent call last):\n  x\nModelError: no weights\n"
    engine = SimpleNamespace(message=text)
    status = SimpleNamespace(applications={"saec-engines": SimpleNamespace(deployments={"engine": engine})})
    monkeypatch.setattr(deployment.serve, "status", lambda: status)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to update the deployments")

    monkeypatch.setattr(deployment.serve, "run", fail)
    with pytest.raises(ModelError, match="ModelError: no weights"):
        deployment.run_application(None, "saec-engines", None)
