"""Prometheus metrics of the admission control."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.web.admission.admission_control import AdmissionControl


class AdmissionCollector(Collector):
    """Reads the counts when it is asked, so nothing is counted twice."""

    def __init__(self, admission: AdmissionControl) -> None:
        self._admission = admission

    def collect(self) -> Iterator[Metric]:
        slots = self._admission.slots
        refused = CounterMetricFamily(
            "saec_http_refused",
            "Requests and connections that were refused or closed, by reason.",
            labels=["reason"],
        )
        for reason, count in sorted(slots.counts.items()):
            refused.add_metric([reason], count)
        yield refused
        yield GaugeMetricFamily("saec_http_connections", "Connections.", value=len(slots.taken))
        yield GaugeMetricFamily(
            "saec_http_body_bytes",
            "Bytes of the request bodies in memory.",
            value=self._admission.bodies.held,
        )
        certificate = self._admission.certificate
        if certificate is not None:
            yield GaugeMetricFamily(
                "saec_certificate_end_seconds",
                "Unix time at which the server certificate expires.",
                value=certificate.ends,
            )
