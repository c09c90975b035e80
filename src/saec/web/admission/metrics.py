"""What the entrance counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.web.admission.entrance import Entrance


class EntranceCollector(Collector):
    """Reads the entrance when it is asked, so nothing is counted twice."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def collect(self) -> Iterator[Metric]:
        crowd = self._entrance.crowd
        refused = CounterMetricFamily(
            "saec_http_refused",
            "Requests and connections that were not let in or were closed, by the reason.",
            labels=["reason"],
        )
        for reason, count in sorted(crowd.counts.items()):
            refused.add_metric([reason], count)
        yield refused
        yield GaugeMetricFamily("saec_http_connections", "Connections.", value=len(crowd.seats))
        yield GaugeMetricFamily("saec_http_body_bytes", "Bytes of bodies.", value=self._entrance.bodies.held)
        certificate = self._entrance.certificate
        if certificate is not None:
            yield GaugeMetricFamily(
                "saec_certificate_end_seconds", "When the certificate expires.", value=certificate.ends
            )
