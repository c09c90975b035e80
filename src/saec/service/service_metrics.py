"""What the service counts, for Prometheus: of requests at its entrance, and of its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from saec.cloud.fast.model import PrefixUse

__all__ = ["CONTENT_TYPE", "ModelMetrics", "ServiceMetrics"]

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class ServiceMetrics:
    """The counters of one entrance; its labels are names from the tokens file, never a text of a request."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "saec_cloud_requests",
            "Chat completions, by station, status and code.",
            ["station", "status", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "saec_cloud_seconds",
            "Seconds from a request to its answer, waiting included.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue = Gauge("saec_cloud_queue", "Requests that wait for the model.", registry=registry)
        self._room = Gauge(
            "saec_cloud_room",
            "Requests that may wait or be computed at once.",
            registry=registry,
        )
        self._ready = Gauge(
            "saec_cloud_ready", "1 while the service answers requests, else 0.", registry=registry
        )
        self._stuck = Gauge(
            "saec_cloud_thread_stuck", "1 while a thread is stuck, else 0.", ["thread"], registry=registry
        )
        self._turn = Gauge(
            "saec_cloud_thread_turn_seconds",
            "Seconds since a thread last made progress.",
            ["thread"],
            registry=registry,
        )
        self._limit = Gauge(
            "saec_cloud_thread_limit_seconds",
            "Seconds without progress after which a thread counts as stuck.",
            ["thread"],
            registry=registry,
        )

    def register(self, collector: Collector) -> None:
        """Show what another part counts as well."""
        self._registry.register(collector)

    def request(self, station: str, status: int, code: str, seconds: float) -> None:
        """One chat completion was answered or refused; ``code`` is "" or the refusal's word."""
        self._requests.labels(station, str(status), code).inc()
        self._seconds.observe(seconds)

    def text(self, queue: int, room: int, ready: bool, threads: Mapping[str, Mapping[str, Any]]) -> bytes:
        """The exposition of everything."""
        self._queue.set(queue)
        self._room.set(room)
        self._ready.set(float(ready))
        for name, thread in threads.items():
            self._stuck.labels(name).set(float(thread["stuck"]))
            self._turn.labels(name).set(thread["turn_s"])
            self._limit.labels(name).set(thread["limit_s"])
        return generate_latest(self._registry)


class ModelMetrics(Collector):
    """The counters of one model; its labels are names of models.

    Args:
        prefix_use: how often prefixes were found and computed.
    """

    def __init__(self, prefix_use: Callable[[], PrefixUse]) -> None:
        self._registry = registry = CollectorRegistry()
        self._prefix_use = prefix_use
        self._tokens = Counter("saec_cloud_tokens", "Tokens.", ["model", "kind"], registry=registry)
        self._sizes = Histogram("saec_cloud_batch", "Requests in a batch.", buckets=_SIZES, registry=registry)
        self._compute = Histogram(
            "saec_cloud_compute_seconds",
            "Seconds that the model takes for a batch.",
            buckets=_SECONDS,
            registry=registry,
        )

    def tokens(self, model: str, prompt: int, answer: int) -> None:
        """The tokens of one chat completion."""
        self._tokens.labels(model, "prompt").inc(prompt)
        self._tokens.labels(model, "answer").inc(answer)

    def batch(self, size: int, seconds: float) -> None:
        """One batch was computed."""
        self._sizes.observe(size)
        self._compute.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        use = self._prefix_use()
        found = CounterMetricFamily(
            "saec_cloud_prefixes",
            "Questions by whether the words and images before their last image were kept or computed.",
            labels=["state"],
        )
        found.add_metric(["kept"], use.found)
        found.add_metric(["computed"], use.computed)
        yield found
