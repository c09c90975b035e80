"""What the replicas count, under the names that one process has, with a label of the replica."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.service.replicas.messages import ReplicaReport


class ReplicaSetMetrics(Collector):
    """Shows the replicas' latest reports when it is asked.

    Attributes:
        asked_again: requests whose replica died, so that another one was asked.
    """

    def __init__(self, reports: Callable[[], Sequence[ReplicaReport]]) -> None:
        self._reports = reports
        self.asked_again = 0

    def collect(self) -> Iterator[Metric]:
        reports = self._reports()
        yield GaugeMetricFamily("saec_cloud_replicas", "Replicas that answer.", value=len(reports))
        yield CounterMetricFamily(
            "saec_cloud_asked_again",
            "Requests whose replica died, so that another one was asked.",
            value=self.asked_again,
        )
        weights = GaugeMetricFamily(
            "saec_cloud_weights", "The weights that a replica has.", labels=["replica", "model", "hash"]
        )
        for report in reports:
            for model in report.models:
                weights.add_metric([report.replica, model["id"], model["saec"]["weights_hash"]], 1)
        yield weights
        yield from _merged(reports)


def _merged(reports: Sequence[ReplicaReport]) -> list[Metric]:
    found: dict[str, Metric] = {}
    for report in reports:
        for metric in report.metrics:
            one = found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                one.add_sample(sample.name, {**sample.labels, "replica": report.replica}, sample.value)
    return list(found.values())
