"""What traces cost the programs that make them: processor time per frame, off and on.

python benchmarks/tracing.py [--frames 20000]

A frame makes what a station makes of a frame that the edge answers: its stages, its own span and the
delivery to one sink. The collector runs in a process of its own and throws everything away.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection

from saec.frame.frame_spans import record_delivery, record_edge, record_verdict, traced_verdict
from saec.settings.trace_settings import TraceConfig
from saec.types import EdgeRecord, Pending, Route, Source, VerdictRecord
from saec.web.program.trace_export import exported_traces

MS = {"wait": 0.1, "read": 0.2, "decode": 1.0, "complexity": 0.3, "edge": 8.0}


class Sink(BaseHTTPRequestHandler):
    """Takes all and keeps nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def collect(port: Connection) -> None:
    with HTTPServer(("127.0.0.1", 0), Sink) as server:
        port.send(server.server_address[1])
        server.serve_forever()


def frame(n: int) -> None:
    """All spans of one frame."""
    edge = EdgeRecord(0.5, 0)
    source, taken = Source(id=f"cell-{n:010d}", path=""), 1e9 + n
    pending = Pending(
        source=source, sha256="ab" * 32, time=taken, edge=edge, route=Route("edge", "sure-good"), ms=MS
    )
    record_edge(pending, time.perf_counter())
    verdict = traced_verdict(
        VerdictRecord(id=source.id, path="", sha256="ab" * 32, line="cell", time=taken, label=0)
    )
    record_verdict(verdict, 0.01, first=True)
    record_delivery("log", [verdict], time.perf_counter())


def microseconds(frames: int, config: TraceConfig) -> float:
    """Processor time of this process per frame, the exporter's thread included."""
    missed: list[str] = []
    with exported_traces(config, "benchmark", "one", missed.append):
        begun = time.process_time()
        for n in range(frames):
            frame(n)
            if n % 100 == 0 and config.endpoint:
                time.sleep(0.05)  # as frames come, so that the queue does not overflow
    took = (time.process_time() - begun) / frames * 1e6
    if missed:
        raise SystemExit(f"spans were dropped: {missed[0]}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    frames = parser.parse_args().frames
    here, there = multiprocessing.Pipe()
    collector = multiprocessing.Process(target=collect, args=(there,), daemon=True)
    collector.start()
    endpoint = f"http://127.0.0.1:{here.recv()}"
    bare = time.process_time()
    for n in range(frames):
        Source(id=f"cell-{n:010d}", path="")
    bare = (time.process_time() - bare) / frames * 1e6
    print("| traces | processor time per frame |\n|---|---|")
    print(f"| off | {microseconds(frames, TraceConfig()) - bare:.1f} us (making the records included) |")
    for share in (0.01, 0.1, 1.0):
        took = microseconds(frames, TraceConfig(endpoint=endpoint, share=share))
        print(f"| {share:.0%} of the frames | {took - bare:.1f} us |")
    collector.terminate()


if __name__ == "__main__":
    main()
