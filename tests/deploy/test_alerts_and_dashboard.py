"""Rules and dashboard name what the programs really expose, and Prometheus takes them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from saec.service.replicas.replica_set_metrics import ReplicaSetMetrics
from tests.deploy.conftest import Programs
from tests.deploy.deploy_files import (
    ALERTS,
    DASHBOARD,
    PROMETHEUS,
    labels_in,
    metrics_in,
    needs,
    queries,
    rules,
)

LATER = {
    "saec_refused_total",
    "saec_sink_dropped_total",
    "saec_cloud_address",
    "saec_cloud_asked_total",
    "saec_cloud_failed_total",
    "saec_http_refused_total",
    "saec_defect_kinds_total",
    "saec_cloud_tokens_total",
}
"""Exposed with its name from the start, and with samples once the thing has happened."""

STATION, CLOUD = {"job": "saec-station", "instance": "s:1"}, {"job": "saec-cloud", "instance": "c:1"}


def test_every_metric_is_exposed_with_its_labels(programs: Programs) -> None:
    names, labels = set[str](), dict[str, set[str]]()
    replicas = list(ReplicaSetMetrics(lambda: []).collect())
    for family in (*text_string_to_metric_families(programs.exposed()), *replicas):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    used = [rule["expr"] for rule in rules()] + [query for _, query in queries()]
    unknown = {name for query in used for name in metrics_in(query)} - names
    assert not unknown
    for query in used:
        for name, label in labels_in(query):
            if name in labels:
                assert label in labels[name] | {"instance", "job"}, query
            else:
                assert name in LATER, f"{name} has no sample"


def test_every_alert_says_what_to_do() -> None:
    seen = set()
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "remedy"}
        seen.add(rule["alert"])
    assert len(seen) == len(list(rules()))
    assert set(FIRING) == seen, "each alert has a case of its own"


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"]
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def series(name: str, values: str, program: dict[str, str] = STATION, /, **labels: str) -> dict[str, str]:
    inner = ",".join(f'{key}="{value}"' for key, value in {**program, **labels}.items())
    return {"series": f"{name}{{{inner}}}", "values": values}


FULL = [series("saec_spool_limit_frames", "1000x60"), series("saec_spool_frames", "950x60", state="asked")]
VERDICTS = {"line": "cell", "label": "good", "by": "edge"}
FIRING: dict[str, list[dict[str, str]]] = {
    "SaecStationDown": [series("up", "0x60")],
    "SaecStationNotReady": [series("saec_ready", "0x60")],
    "SaecSpoolFilling": FULL,
    "SaecSpoolNearlyFull": FULL,
    "SaecFramesRefused": [series("saec_refused_total", "0+1x60", source="camera")],
    "SaecDeadlineMisses": [
        series("saec_late_total", "0+2x60", line="cell"),
        series("saec_verdicts_total", "0+100x60", state="final", **VERDICTS),
    ],
    "SaecProvisionalVerdicts": [
        series("saec_verdicts_total", "0+100x60", state="final", **VERDICTS),
        series("saec_verdicts_total", "0+20x60", state="provisional", **VERDICTS),
    ],
    "SaecErrorVerdicts": [
        series("saec_verdicts_total", "0+100x60", state="final", **VERDICTS),
        series("saec_verdicts_total", "0+5x60", state="final", line="cell", label="error", by="none"),
    ],
    "SaecLinkDown": [series("saec_link", "1x60", line="cell", state="down")],
    "SaecCloudAddressOut": [
        series("saec_cloud_address", "1x60", address="http://a", state="resting"),
        series("saec_cloud_address", "0x60", address="http://a", state="up"),
    ],
    "SaecSinkAway": [series("saec_sink", "1x60", sink="mes", state="away")],
    "SaecDeadLetters": [series("saec_sink_dead_letters", "1x60", sink="mes")],
    "SaecVerdictsDropped": [series("saec_sink_dropped_total", "0+1x60", sink="mes")],
    "SaecSourceLost": [series("saec_source", "1x60", source="camera", state="lost")],
    "SaecPlcAway": [series("saec_plc", "1x60", plc="press", state="away")],
    "SaecDrift": [series("saec_drift", "1x60", line="cell")],
    "SaecDisagreement": [series("saec_alarms_total", "0+1x60", kind="disagreement")],
    "SaecThreadStuck": [series("saec_cloud_thread_stuck", "1x60", CLOUD, thread="model")],
    "SaecCloudDown": [series("up", "0x60", CLOUD)],
    "SaecCloudNotReady": [series("saec_cloud_ready", "0x60", CLOUD)],
    "SaecCloudQueueFull": [
        series("saec_cloud_requests_total", "0+9x60", CLOUD, station="s", status="429", code="queue_full")
    ],
    "SaecCloudQueueFilling": [
        series("saec_cloud_queue", "60x60", CLOUD),
        series("saec_cloud_room", "72x60", CLOUD),
    ],
    "SaecReplicasLost": [series("saec_cloud_replicas", "3x50 2x60", CLOUD)],
    "SaecCloudModelFails": [
        series("saec_cloud_requests_total", "0+1x60", CLOUD, station="s", status="500", code="model_failed")
    ],
    "SaecCloudSlow": [
        series("saec_cloud_seconds_bucket", "0+90x60", CLOUD, le="5"),
        series("saec_cloud_seconds_bucket", "0+100x60", CLOUD, le="10"),
        series("saec_cloud_seconds_bucket", "0+100x60", CLOUD, le="+Inf"),
    ],
    "SaecCertificateExpires": [series("saec_certificate_end_seconds", "864000x60")],
    "SaecCertificateExpired": [series("saec_certificate_end_seconds", "60x60")],
    "SaecRequestsRefused": [series("saec_http_refused_total", "0+120x60", reason="token")],
}
"""Series of an hour, a value each minute, at whose end the alert fires."""

WELL = [
    series("up", "1x60"),
    series("up", "1x60", CLOUD),
    series("saec_ready", "1x60"),
    series("saec_cloud_ready", "1x60", CLOUD),
    series("saec_spool_limit_frames", "1000x60"),
    series("saec_spool_frames", "400x60", state="asked"),
    series("saec_late_total", "3x60", line="cell"),
    series("saec_refused_total", "3x60", source="camera"),
    series("saec_verdicts_total", "0+100x60", state="final", **VERDICTS),
    series("saec_verdicts_total", "0+5x60", state="provisional", **VERDICTS),
    series("saec_link", "0x60", line="cell", state="down"),
    series("saec_link", "1x60", line="cell", state="slow"),
    series("saec_cloud_address", "1x60", address="http://a", state="up"),
    series("saec_cloud_address", "0x60", address="http://a", state="resting"),
    series("saec_sink", "1x60", sink="mes", state="new"),
    series("saec_sink_dead_letters", "0x60", sink="mes"),
    series("saec_alarms_total", "40x60", kind="disagreement"),
    series("saec_cloud_requests_total", "0+90x60", CLOUD, station="s", status="200", code=""),
    series("saec_cloud_replicas", "3x60", CLOUD),
    series("saec_cloud_queue", "10x60", CLOUD),
    series("saec_cloud_room", "72x60", CLOUD),
    series("saec_certificate_end_seconds", "8640000x60"),
]
"""A plant on a good day."""


def case_of(name: str, found: list[dict[str, str]], alerts: list[str]) -> dict[str, Any]:
    """A case of promtool: which alerts fire after an hour."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": found,
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": "1h",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}],
            }
            for alert in alerts
        ]
        or [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": "1h", "exp_samples": []}],
    }


@needs("promtool", "prometheus")
def test_promtool_takes_rules_and_settings() -> None:
    subprocess.run(["promtool", "check", "rules", ALERTS], check=True, timeout=60)
    subprocess.run(["promtool", "check", "config", PROMETHEUS], check=True, timeout=60)


@needs("promtool", "prometheus")
def test_each_alert_fires_when_it_should_and_none_on_a_good_day(tmp_path: Path) -> None:
    cases = [case_of(alert, found, [alert]) for alert, found in FIRING.items()]
    cases.append(case_of("a good day", WELL, []))
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": cases}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("query", sorted({query for _, query in queries()}))
def test_no_query_names_a_variable_that_is_not_filled_in(query: str) -> None:
    assert "$" not in query
