"""The record of actions: time to append a row, to read the head, to verify all; memory of checking evidence.

    python benchmarks/audit_chain.py [--rows 2000] [--frames 200000]

Rows are appended as commands do it, each synced to the disk. Frames are lines of 600 bytes in a file of
evidence; memory is what Python holds at most while the file is written and checked, by tracemalloc.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.audit.audit_verify import verify_log
from saec.station.audit.evidence import FRAMES, VERSIONS, EvidenceManifest, EvidenceWriter, check_evidence
from saec.station.audit.signing_keys import SigningKeys

STATE = {"current": 1, "content": "a" * 64, "previous": None, "shadow": None}
ACTION = Action(actor="anna", role="engineer", what="line.promote", about="x", before=STATE, after=STATE)


def chain_times(log: AuditLog, rows: int) -> None:
    """Append, read the head, verify."""
    begin = time.perf_counter()
    for _ in range(rows):
        log.append(ACTION)
    appended = time.perf_counter()
    for _ in range(100):
        log.head()
    read = time.perf_counter()
    found = verify_log(log)
    verified = time.perf_counter()
    print(
        f"{rows} rows appended in {appended - begin:.1f} s, the head read in {(read - appended) * 10:.2f} ms"
    )
    size = log.path.stat().st_size / rows
    print(f"{found.head.n} rows verified in {verified - read:.2f} s, {size:.0f} B each")


def evidence_memory(folder: Path, log: AuditLog, keys: SigningKeys, frames: int) -> None:
    """Write and check a file of so many frames."""
    target = folder / f"{frames}.zip"
    public = keys.ensure("station", "station").public
    line = b'{"id":"' + b"x" * 590 + b'"}'
    tracemalloc.start()
    begin = time.perf_counter()
    with EvidenceWriter(target) as out:
        with out.part(FRAMES) as lines:
            for _ in range(frames):
                lines.line(line)
        with out.part(VERSIONS) as lines:
            lines.line(b"{}")
        out.actions(log.walk())
        told = EvidenceManifest(
            saec="", station="", made=0.0, asked={}, parts={}, frames=frames, replays={}, head=log.head(),
            key="", keys=[],
        )  # fmt: skip
        out.finish(told, keys)
    fault = check_evidence(target, [public]).fault
    seconds, most = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{frames} frames written and checked in {seconds:.1f} s, {most / 1e6:.1f} MB {fault}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=200_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        log = AuditLog(Path(name))
        chain_times(log, args.rows)
        keys = SigningKeys(Path(name), log)
        for frames in (args.frames // 10, args.frames):
            evidence_memory(Path(name), log, keys, frames)


if __name__ == "__main__":
    main()
