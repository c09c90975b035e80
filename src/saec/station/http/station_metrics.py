"""The station's state for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.cloud.remote.address_pool import STATES
from saec.station.http.rate_gauges import RateGauges
from saec.station.outputs.coupler_worker import COUPLER_STATES
from saec.station.plc.worker.plc_worker import PLC_STATES
from saec.station.station import Station
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.admission_metrics import AdmissionCollector

__all__ = ["CONTENT_TYPE", "metrics_text"]

SINK_STATES = ("new", "up", "away", "refusing")
LINKS = ("up", "slow", "down", "probing")


class _StationCollector(Collector):
    """Reads the station when it is asked, so nothing is counted twice."""

    def __init__(self, station: Station, admission: AdmissionControl) -> None:
        self._station, self._admission = station, admission

    def collect(self) -> Iterator[Metric]:
        status = self._station.status()
        yield GaugeMetricFamily(
            "saec_uptime_seconds", "Seconds since the station started.", value=status["uptime_s"]
        )
        problems = [*self._station.problems(), *self._admission.problems()]
        yield GaugeMetricFamily(
            "saec_ready", "1 while the station does what is asked of it, else 0.", value=float(not problems)
        )
        yield GaugeMetricFamily(
            "saec_spool_limit_frames",
            "Frames without a final verdict that the spool holds at most.",
            value=self._station.settings.spool.frames,
        )
        yield from _spool(status["spool"])
        yield from _storage(status["storage"])
        yield from _counters(status["counters"])
        yield from _parts(status["counters"])
        yield from _sinks(status["sinks"])
        yield from _plcs(status["plcs"])
        yield from _couplers(status["couplers"])
        yield from _lines(status["lines"])
        yield from _challenges(status["lines"], status["counters"])
        yield from _warm(status["warm"])
        yield from _review(status["review"])
        yield from _addresses(status["addresses"])
        threads = GaugeMetricFamily("saec_thread_alive", "1 while a thread runs, else 0.", labels=["thread"])
        failures = CounterMetricFamily("saec_thread_failures", "Failures of a thread.", labels=["thread"])
        stuck = GaugeMetricFamily(
            "saec_thread_stuck", "1 while a thread is stuck, else 0.", labels=["thread"]
        )
        turn = GaugeMetricFamily(
            "saec_thread_turn_seconds", "Seconds since a thread last made progress.", labels=["thread"]
        )
        limit = GaugeMetricFamily(
            "saec_thread_limit_seconds",
            "Seconds without progress after which a thread counts as stuck.",
            labels=["thread"],
        )
        for name, thread in status["threads"].items():
            threads.add_metric([name], float(thread["alive"]))
            stuck.add_metric([name], float(thread["stuck"]))
            turn.add_metric([name], thread["turn_s"])
            limit.add_metric([name], thread["limit_s"])
            failures.add_metric([name], thread["failures"])
        sources = GaugeMetricFamily(
            "saec_source", "1 for the current state of a source.", labels=["source", "state"]
        )
        for name, state in status["sources"].items():
            sources.add_metric([name, state], 1.0)
        yield from (threads, stuck, turn, limit, failures, sources)


def _challenges(lines: dict[str, Any], counters: dict[str, int]) -> Iterator[Metric]:
    golden = GaugeMetricFamily("saec_golden_parts", "Golden parts that are pinned.", labels=["line"])
    stands = GaugeMetricFamily(
        "saec_challenge", "1 for how the challenge of a line stands.", labels=["line", "standing"]
    )
    runs = CounterMetricFamily("saec_challenge_runs", "Challenges by result.", labels=["line", "result"])
    for name, line in lines.items():
        if line["challenge"] is None:
            continue
        golden.add_metric([name], float(line["challenge"]["golden"]))
        stands.add_metric([name, line["challenge"]["standing"]], 1.0)
    for counter, value in counters.items():
        kind, _, rest = counter.partition(":")
        if kind == "challenge":
            runs.add_metric(rest.rsplit(":", 1), value)
    yield from (golden, stands, runs)


def metrics_text(station: Station, admission: AdmissionControl, rates: RateGauges | None = None) -> bytes:
    """The exposition of everything; of the rates where ``rates`` keeps them."""
    registry = CollectorRegistry()
    if rates is not None:
        registry.register(rates)
    registry.register(_StationCollector(station, admission))
    registry.register(AdmissionCollector(admission))
    return generate_latest(registry)


def _review(states: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "saec_review_waiting", "Frames that wait for a person, by why they are shown.", labels=["line", "why"]
    )
    counts: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
        "frames": CounterMetricFamily("saec_review_frames", "Frames from which was drawn.", labels=["line"]),
        "drawn": CounterMetricFamily("saec_review_drawn", "Frames drawn at random.", labels=["line"]),
        "lost": CounterMetricFamily(
            "saec_review_lost", "Drawn frames whose picture was gone before an answer.", labels=["line"]
        ),
        "labels": GaugeMetricFamily("saec_review_labels", "Labels that stand.", labels=["line"]),
        "size": GaugeMetricFamily("saec_review_bytes", "Bytes of the pictures for review.", labels=["line"]),
    }
    for line, state in states.items():
        for why, count in state["waiting"].items():
            waiting.add_metric([line, why], count)
        for name, family in counts.items():
            family.add_metric([line], state[name])
    yield from (waiting, *counts.values())


def _spool(depth: dict[str, int]) -> Iterator[Metric]:
    frames = GaugeMetricFamily("saec_spool_frames", "Frames without a final verdict.", labels=["state"])
    for state in ("accepted", "asked"):
        frames.add_metric([state], depth[state])
    waiting = GaugeMetricFamily("saec_sink_waiting", "Verdicts that wait for a sink.", labels=["sink"])
    for name, count in depth.items():
        if name.startswith("sink:"):
            waiting.add_metric([name.removeprefix("sink:")], count)
    yield from (frames, waiting)
    yield GaugeMetricFamily("saec_spool_bytes", "Bytes of the images in the spool.", value=depth["bytes"])


def _storage(sizes: dict[str, int]) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "saec_storage_budget_bytes", "Bytes that the data folder may take.", value=sizes["budget"]
    )
    used = GaugeMetricFamily("saec_storage_bytes", "Bytes of the data folder, by part.", labels=["part"])
    for part, size in sizes.items():
        if part not in ("budget", "used"):
            used.add_metric([part], size)
    yield used


def _sinks(sinks: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    oldest = GaugeMetricFamily(
        "saec_sink_oldest_seconds",
        "Age in seconds of the verdict that waits longest for a sink.",
        labels=["sink"],
    )
    dead = GaugeMetricFamily(
        "saec_sink_dead_letters", "Verdicts that a sink refused for good.", labels=["sink"]
    )
    state = GaugeMetricFamily("saec_sink", "1 for the current state of a sink.", labels=["sink", "state"])
    for name, sink in sinks.items():
        oldest.add_metric([name], sink["oldest_s"] or 0.0)
        dead.add_metric([name], sink["dead"])
        for known in SINK_STATES:
            state.add_metric([name, known], float(sink["state"] == known))
    yield from (oldest, dead, state)


def _plcs(plcs: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    state = GaugeMetricFamily("saec_plc", "1 for the current state of a PLC.", labels=["plc", "state"])
    events = CounterMetricFamily(
        "saec_plc_events", "Triggers, answers and breaches of the handshake.", labels=["plc", "event"]
    )
    faults = CounterMetricFamily("saec_plc_faults", "Faults that a PLC was told.", labels=["plc", "code"])
    strays = CounterMetricFamily(
        "saec_plc_strays", "Pictures of a PLC's source that came for no trigger.", labels=["plc"]
    )
    for name, plc in plcs.items():
        for known in PLC_STATES:
            state.add_metric([name, known], float(plc["state"] == known))
        for event, count in sorted(plc["counts"].items()):
            events.add_metric([name, event], count)
        for code, count in sorted(plc["faults"].items()):
            faults.add_metric([name, code], count)
        strays.add_metric([name], plc["strays"])
    yield from (state, events, faults, strays)


def _couplers(couplers: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "saec_coupler", "1 for the current state of a coupler.", labels=["coupler", "state"]
    )
    on = GaugeMetricFamily(
        "saec_output_on", "1 while an output is on; absent in its fail-safe state.", labels=["output"]
    )
    pending = GaugeMetricFamily("saec_output_pending", "Parts on their way to an output.", labels=["output"])
    parts = CounterMetricFamily(
        "saec_output_parts", "Parts by what became of them at an output.", labels=["output", "outcome"]
    )
    events = CounterMetricFamily(
        "saec_input_events",
        "Triggers of an input and their pictures; jumps of an encoder.",
        labels=["input", "event"],
    )
    for name, coupler in couplers.items():
        for known in COUPLER_STATES:
            state.add_metric([name, known], float(coupler["state"] == known))
        for output, one in coupler["outputs"].items():
            if one["on"] is not None:
                on.add_metric([output], float(one["on"]))
            pending.add_metric([output], one["pending"])
            for outcome, count in one["counts"].items():
                parts.add_metric([output, outcome], count)
        for source, one in coupler["inputs"].items():
            for event, count in sorted(one["counts"].items()):
                events.add_metric([source, event], count)
    yield from (state, on, pending, parts, events)


def _counters(counters: dict[str, int]) -> Iterator[Metric]:
    verdicts = CounterMetricFamily(
        "saec_verdicts",
        "Verdicts, by line, state, label and who decided.",
        labels=["line", "state", "label", "by"],
    )
    refused = CounterMetricFamily(
        "saec_refused", "Frames that the station refused, by source.", labels=["source"]
    )
    pictures = CounterMetricFamily(
        "saec_pictures", "Pictures of a camera that became no frame.", labels=["source", "what"]
    )
    dropped = CounterMetricFamily(
        "saec_sink_dropped", "Verdicts that were dropped before a sink took them.", labels=["sink"]
    )
    shadow = CounterMetricFamily(
        "saec_shadow",
        "Verdicts of a shadow version, by version and outcome.",
        labels=["line", "version", "outcome"],
    )
    kinds = CounterMetricFamily(
        "saec_defect_kinds",
        "Frames whose final verdict is defect, by line and by the kind that the edge names.",
        labels=["line", "kind"],
    )
    alarms = CounterMetricFamily("saec_alarms", "Alarms, by kind.", labels=["kind"])
    for name, value in sorted(counters.items()):
        kind, *labels = name.split(":")
        if kind == "verdict" and len(labels) == 4:
            verdicts.add_metric(labels, value)
        elif kind == "refused":
            refused.add_metric([":".join(labels)], value)
        elif kind == "pictures" and len(labels) == 2:
            pictures.add_metric(labels, value)
        elif kind == "dropped":
            dropped.add_metric([":".join(labels)], value)
        elif kind == "shadow" and len(labels) == 3:
            shadow.add_metric(labels, value)
        elif kind == "alarm":
            alarms.add_metric([":".join(labels)], value)
        elif kind == "kind" and len(labels) >= 2:  # a kind's own name may hold a colon
            kinds.add_metric([labels[0], ":".join(labels[1:])], value)
    yield from (verdicts, refused, pictures, dropped, shadow, kinds, alarms)


def _parts(counters: dict[str, int]) -> Iterator[Metric]:
    parts = CounterMetricFamily(
        "saec_parts", "Verdicts on parts, by line and label.", labels=["line", "label"]
    )
    without = CounterMetricFamily(
        "saec_frames_without_part", "Frames without the part id that their line needs.", labels=["line"]
    )
    unread = CounterMetricFamily(
        "saec_codes_unread", "Frames in which no code of a part was read.", labels=["line"]
    )
    for name, value in sorted(counters.items()):
        kind, *labels = name.split(":")
        if kind == "part" and len(labels) == 2:
            parts.add_metric(labels, value)
        elif kind == "partless":
            without.add_metric(labels, value)
        elif kind == "unread":
            unread.add_metric(labels, value)
    yield from (parts, without, unread)


_TIMES = {
    "answer": "Milliseconds from acceptance of a frame to its first verdict.",
    "judging": "Milliseconds of work on a frame until its first verdict.",
    "waiting": "Milliseconds that a frame waited until its first verdict.",
}


def _lines(lines: dict[str, dict[str, object]]) -> Iterator[Metric]:
    link = GaugeMetricFamily(
        "saec_link", "1 for the current state of the link to the cloud.", labels=["line", "state"]
    )
    version = GaugeMetricFamily("saec_version", "Number of the version that judges.", labels=["line"])
    drift = GaugeMetricFamily(
        "saec_drift", "1 while the scores of a line have drifted, else 0.", labels=["line"]
    )
    late = CounterMetricFamily(
        "saec_late", "Frames whose first verdict came after the deadline.", labels=["line"]
    )
    times = {
        name: GaugeMetricFamily(f"saec_{name}_milliseconds", what, labels=["line", "quantile"])
        for name, what in _TIMES.items()
    }
    recipe = GaugeMetricFamily("saec_recipe", "Number of the recipe in force, 0 for none.", labels=["line"])
    ready = GaugeMetricFamily("saec_recipe_ready", "1 when the line is ready for it.", labels=["line"])
    for name, line in lines.items():
        if isinstance(chosen := line["recipe"], dict):
            recipe.add_metric([name], float(chosen["number"] or 0))
            ready.add_metric([name], float(chosen["ready"]))
        version.add_metric([name], float(line["version"] or 0))  # type: ignore[arg-type]
        drift.add_metric([name], float(bool(line["drift"])))
        late.add_metric([name], float(line["late"]))  # type: ignore[arg-type]
        if line["link"] is not None:
            for state in LINKS:
                link.add_metric([name, state], float(line["link"] == state))
        for kind, family in times.items():
            quantiles = line[f"{kind}_ms"]
            if isinstance(quantiles, dict):
                for quantile, value in quantiles.items():
                    family.add_metric([name, quantile], value)
    yield from (link, version, drift, late, recipe, ready, *times.values())


def _warm(warm: dict[str, float]) -> Iterator[Metric]:
    yield GaugeMetricFamily("saec_open_versions", "Versions of lines that are open.", value=warm["open"])
    yield GaugeMetricFamily(
        "saec_open_versions_megabytes", "Megabytes that open versions take, by reckoning.", value=warm["mb"]
    )
    yield CounterMetricFamily(
        "saec_closed_versions", "Versions that were closed for want of room.", value=warm["closed"]
    )


def _addresses(addresses: dict[str, dict[str, Any]]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "saec_cloud_address",
        "1 for the current state of an address of the cloud.",
        labels=["address", "state"],
    )
    weights = GaugeMetricFamily(
        "saec_cloud_weights",
        "1 for the weights that an address of the cloud said last.",
        labels=["address", "weights"],
    )
    counts = {
        "asked": "Requests that were sent to an address of the cloud.",
        "failed": "Requests to an address of the cloud that failed.",
        "hedged": "Requests to an address of the cloud because another was slow.",
    }
    families = {
        name: CounterMetricFamily(f"saec_cloud_{name}", what, labels=["address"])
        for name, what in counts.items()
    }
    for address, one in addresses.items():
        for known in STATES:
            state.add_metric([address, known], float(one["state"] == known))
        weights.add_metric([address, one["weights"][:12]], 1.0)
        for name, family in families.items():
            family.add_metric([address], one[name])
    yield from (state, weights, *families.values())
