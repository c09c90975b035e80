"""Manifests for Kubernetes, compose file and image: checked by published schemas, and by our own code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from saec.cli.options.all_settings import settings_commands
from saec.errors import ConfigError
from saec.station.setup.settings_file import read_settings
from tests.deploy.deploy_files import DEPLOY, needs
from tests.pairs import make_pair
from tests.run_fakes import make_line

KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
COMPOSE = DEPLOY / "compose.yaml"
CONTAINERFILE = DEPLOY / "Containerfile"
ROOT = DEPLOY.parent
MADE_BY_HAND = {"saec-station-tls", "saec-cloud-tls", "saec-ray"}
"""Secrets that a command in a comment makes."""


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in KUBERNETES:
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            yield path.name, document


def found_under(value: Any, key: str) -> Iterator[Any]:
    """Each value under a key, wherever it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from found_under(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from found_under(inner, key)


def rayservice() -> dict[str, Any]:
    (found,) = (document for _, document in documents() if document["kind"] == "RayService")
    return found


def test_all_stand_in_one_namespace_and_name_what_there_is() -> None:
    names: dict[str, set[str]] = {}
    for _, document in documents():
        names.setdefault(document["kind"], set()).add(document["metadata"]["name"])
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "saec"
    assert names["Namespace"] == {"saec"}
    for _, document in documents():
        assert set(found_under(document, "secretName")) <= names["Secret"] | MADE_BY_HAND
        assert set(found_under(document, "claimName")) <= names["PersistentVolumeClaim"]
        for volume in found_under(document, "configMap"):
            assert volume["name"] in names["ConfigMap"]
        for mounts in found_under(document, "containers"):
            ports = {port["name"] for port in mounts[0].get("ports", ())}
            assert {get["port"] for get in found_under(mounts, "httpGet")} <= ports
        if document["kind"] in ("Deployment", "StatefulSet"):
            spec = document["spec"]
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
            assert spec["replicas"] == 1


def test_every_volume_is_mounted_and_every_mount_has_a_volume() -> None:
    for name, document in documents():
        for spec in found_under(document, "spec"):
            if "containers" in spec:
                mounted = {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
                volumes = {volume["name"] for volume in spec["volumes"]}
                volumes |= {c["metadata"]["name"] for c in document["spec"].get("volumeClaimTemplates", ())}
                assert mounted == volumes, name


def option_names(command: str) -> set[str]:
    (found,) = (one for name, one in settings_commands() if name == command)
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_the_programs_know_all_their_options() -> None:
    seen = 0
    calls = [args for _, document in documents() for args in found_under(document, "args")]
    calls += [
        service["command"]
        for service in yaml.safe_load(COMPOSE.read_text("utf-8"))["services"].values()
        if "command" in service
    ]
    for args in calls:
        if isinstance(args, list):
            known = option_names(f"saec {args[0]}") | {"--config"}
            options = {word.split("=")[0] for word in args if word.startswith("--")}
            assert options <= known
            seen += 1
    assert seen == 4


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_a_stations_settings_are_whole(where: str, tmp_path: Path) -> None:
    if where == "compose":
        text = (DEPLOY / "compose" / "station.toml").read_text("utf-8")
    else:
        (settings,) = (document for _, document in documents() if document["kind"] == "ConfigMap")
        text = settings["data"]["station.toml"]
    cert, key = make_pair(tmp_path)
    make_line(tmp_path / "lines" / "leather")
    for there, here in {"tls.crt": cert, "ca.crt": cert, "tls.key": key}.items():
        text = re.sub(rf'"/[\w/]+/{re.escape(there)}"', f'"{here}"', text)
    text = text.replace('"/lines/', f'"{tmp_path}/lines/')
    path = tmp_path / "station.toml"
    path.write_text(text)
    read = read_settings(path)
    assert read.cloud is not None
    assert read.cloud.remote.token_file is not None
    hosts = {"compose": "station", "kubernetes": "saec-station.saec.svc"}
    assert hosts[where] in read.http.hosts


def test_kubernetes_schemas_take_the_manifests() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    checked = 0
    for _, document in documents():
        if document["kind"] != "RayService":
            validate.validate(document, validate.latest_version(), strict=True)
            checked += 1
    for spec in (rayservice()["spec"]["rayClusterConfig"],):
        groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
        for group in groups:  # what KubeRay makes of each group is a pod
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, **group["template"]}
            pod["metadata"] = {"name": "p", **group["template"]["metadata"]}
            validate.validate(pod, validate.latest_version(), strict=True)
            checked += 1
    assert checked >= 14


def test_serves_schema_takes_the_applications() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="pip install 'saec[fleet]'")
    read = schema.ServeDeploySchema.model_validate(yaml.safe_load(rayservice()["spec"]["serveConfigV2"]))
    assert [app.name for app in read.applications] == ["saec-engines", "saec"]
    assert rayservice()["spec"]["rayClusterConfig"]["rayVersion"] == version("ray")


def test_our_own_code_takes_the_applications() -> None:
    pytest.importorskip("ray", reason="pip install 'saec[fleet]'")
    from saec.service.replicas.deployed_settings import Deployed

    engines, entrance = yaml.safe_load(rayservice()["spec"]["serveConfigV2"])["applications"]
    for app in (engines, entrance):
        module, function = app["import_path"].split(":")
        assert callable(vars(import_module(module))[function])
    front, back = Deployed.read(entrance["args"]), Deployed.read(engines["args"])
    assert front.replicas == back.replicas
    assert (front.service.model, back.service.model) == ("small", "small")
    workers = rayservice()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert sum(group["replicas"] for group in workers) == back.replicas.count
    mounted = set(found_under(rayservice(), "mountPath"))
    assert front.service.tokens_file is not None
    assert str(front.service.tokens_file.parent) in mounted


@pytest.mark.parametrize(
    "tables",
    [
        {"service": {"token_file": "x"}},
        {"services": {}},
        {"replicas": {"count": 0}},
        {"service": {"queue": "9"}},
    ],
)
def test_a_slip_in_the_applications_is_an_error(tables: dict[str, Any]) -> None:
    from saec.service.replicas.deployed_settings import Deployed

    with pytest.raises(ConfigError):
        Deployed.read(tables)


@needs("docker-compose", "docker-compose")
def test_the_compose_schema_takes_the_compose_file() -> None:
    done = subprocess.run(
        ["docker-compose", "-f", COMPOSE, "config", "-q"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compose_file_names_files_that_there_are() -> None:
    compose = yaml.safe_load(COMPOSE.read_text("utf-8"))
    made = {"lines", "secrets"}  # by the user
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                path = DEPLOY / source
                assert path.exists() or path.name in made
            else:
                assert source in compose["volumes"]
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])


@needs("promtool", "prometheus")
def test_prometheus_takes_the_compose_files_settings(tmp_path: Path) -> None:
    text = (DEPLOY / "compose" / "prometheus.yml").read_text("utf-8")
    for name in ("prometheus-token", "tls.crt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "alerts.yml").write_text((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], check=True, timeout=60)


def test_the_image_copies_what_there_is_and_no_more() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    allowed = {
        line[1:].removesuffix("/**")
        for line in (ROOT / ".containerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    assert set(copied) == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    contexts = [spec for _, document in documents() for spec in found_under(document, "securityContext")]
    assert {spec["runAsUser"] for spec in contexts if "runAsUser" in spec} == {10001}
