"""Malformed and hostile images and requests against a station and a cloud's service, as real processes.

    python benchmarks/hostile.py

Every image goes to the station over HTTP, into its watched folder, and to the service in a data URL; every
request goes to whom it is made for. Each must come to a named error (a status from 400 to 499 with a message,
507 for a full spool, or a verdict that is an error) or, where it is odd but sound, to an answer; a connection
may be closed without a word only where what was sent is no HTTP. Each file has a time within which it must be
answered; those that use up what a decoder may take are tried three times before. Afterwards both processes
must still be the same ones, without a failed thread or a traceback in their logs, and answer a sound request.
The status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from faults_check import read_database
from faults_rig import LINE, Program, Site, cloud_program, free_port, make_site, running, station_program
from hostile_decoders import decoders
from hostile_images import File, corpus
from hostile_requests import Request, To, data_url, question, small_png, to_both, to_cloud, to_station

from saec.data.images.pixels import decode_image
from saec.web.admission.tokens import token_hash

TOKEN = "a-token-for-the-benchmark"
LARGEST = 64 * 1024 * 1024
UNFINISHED = 15.0
"""Seconds after which a file that is not whole was refused: the folder's ``patience`` and some more."""

PATIENCE = 90.0
"""Seconds after which something counts as hanging; a slow body is given 30 by the programs themselves."""

_MIME = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".webp": "image/webp",
}


@dataclass
class Tally:
    """What came of everything, by where it went and its kind."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)
    cases: set[tuple[str, str]] = field(default_factory=set)
    slowest: dict[str, float] = field(default_factory=dict)

    def timed(self, where: str, file: File, seconds: float, said: str, *, right: bool) -> None:
        """A file's outcome, which must come within the file's own limit."""
        late = seconds > file.seconds
        self.slowest[where] = max(seconds, self.slowest.get(where, 0.0))
        outcome = f"{said} after {seconds:.0f} s" if late else said
        self.add(where, file.kind, file.name, outcome, right=right and not late)

    def add(self, where: str, kind: str, name: str, outcome: str, *, right: bool, case: str = "") -> None:
        """An outcome; ``case`` is what tells it from others, where its name says more."""
        self.cases.add((kind, case or name))
        self.counts[where, kind][outcome] += 1
        if not right:
            self.wrong.append(f"{where}, {kind}, {name}: {outcome}")

    def table(self) -> str:
        rows = []
        for (where, kind), outcomes in self.counts.items():
            said = ", ".join(f"{outcome} {n}" for outcome, n in sorted(outcomes.items()))
            rows.append(f"{where:<16}  {kind:<48}  {sum(outcomes.values()):>4}  {said}")
        total = sum(sum(outcomes.values()) for outcomes in self.counts.values())
        mechanisms = len({kind for kind, _ in self.cases})
        rows += ["", f"{len(self.cases)} distinct cases of {mechanisms} mechanisms"]
        rows += [f"slowest answer, {where}: {seconds:.1f} s" for where, seconds in self.slowest.items()]
        return "\n".join([*rows, f"{total} tried in all, {len(self.wrong)} of them wrong", *self.wrong])


def try_requests(tally: Tally, where: str, port: int, requests: Iterable[Request]) -> None:
    """Send each over a connection of its own; the slow ones beside each other."""
    with ThreadPoolExecutor(12) as pool:
        found = pool.map(lambda request: (request, outcome(port, request)), list(requests))
        for request, said in found:
            right = bool(re.fullmatch(r"4\d\d", said)) or (request.silent and said in ("closed", "501"))
            right |= request.fine and said in ("200", "206", "416 without a word")
            tally.add(where, request.kind, request.name, said, right=right)


def outcome(port: int, request: Request) -> str:
    """The status that came back, or "closed", "hangs", or a status without words."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as s:
        answer = bytearray()
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(request.data)
                for piece in request.pieces:
                    s.sendall(piece)
                    if len(piece) < 100:
                        time.sleep(1.0)
            while part := s.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        except TimeoutError:
            return "hangs"
    match = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    if match is None:
        return "closed"
    status, body = match[1].decode(), answer.partition(b"\r\n\r\n")[2]
    return status if body.strip() or status in ("204", "304") else f"{status} without a word"


def try_images_over_http(tally: Tally, client: httpx.Client, files: list[File]) -> None:
    for i, file in enumerate(files):
        headers, begun = (
            {"Content-Type": _MIME[file.suffix], "Idempotency-Key": f"image-{i}"},
            time.monotonic(),
        )
        answer = client.post(f"/v1/lines/{LINE}/frames?wait=60", content=file.data, headers=headers)
        said, right = str(answer.status_code), 400 <= answer.status_code < 500 and "message" in answer.text
        if answer.status_code == 201:
            said, right = judged(answer.json()["verdict"], file)
        tally.timed("station, HTTP", file, time.monotonic() - begun, said, right=right)


def judged(verdict: dict[str, Any] | None, file: File) -> tuple[str, bool]:
    """What a verdict says, and whether it is right for the file."""
    if verdict is None:
        return "no verdict", False
    if verdict["state"] == "error":
        return f"{verdict['error']['kind']}", bool(verdict["error"]["message"])
    return "judged", not file.bad


def try_images_in_folder(tally: Tally, site: Site, files: list[File]) -> None:
    """Drop all of them, under names that are tricks as well, and wait for their verdicts."""
    folder, names = (
        site.disk / "in",
        ("", " ", "%2f..%2f", "-rf", "\n", "\u202e", "ä", "'\";", "\x07", "$(id)"),
    )
    folder.mkdir(parents=True, exist_ok=True)
    dropped = {}
    for i, file in enumerate(files):
        name = f"{names[i % len(names)]}{i}{file.suffix}"
        (folder / f".{name}").write_bytes(file.data)
        (folder / f".{name}").rename(folder / name)
        dropped[name] = file
    begun = time.monotonic()
    while (past := time.monotonic() - begun) < len(files) / 4 + 3 * PATIENCE:
        kept = {key.removeprefix("in/").rpartition("@")[0]: k for key, k in read_database(site).items()}
        done = {name for name in dropped if name in kept and "final" in kept[name].verdicts}
        waiting = {name for name in dropped if name not in kept and (folder / name).exists()}
        if len(done) + len(waiting) == len(dropped) and past > UNFINISHED:
            break
        time.sleep(0.5)
    for name, file in dropped.items():
        said, right = judged(kept[name].verdicts.get("final") if name in kept else None, file)
        if name in waiting:  # it is not whole, and stays for its writer to end it
            said, right = "unfinished", True
        shown = f"{name!r} {file.name}"
        tally.add("station, folder", file.kind, shown, said, right=right, case=file.name)


def try_images_at_cloud(tally: Tally, client: httpx.Client, files: list[File]) -> None:
    for file in files:
        body, begun = question(data_url(file.data, file.suffix[1:])), time.monotonic()
        answer = client.post("/v1/chat/completions", json=body)
        right = 400 <= answer.status_code < 500 and "message" in answer.text
        right |= answer.status_code == 200 and not file.bad
        said = str(answer.status_code)
        tally.timed("cloud, data URL", file, time.monotonic() - begun, said, right=right)


def health(tally: Tally, name: str, program: Program, sound: Callable[[], bool], log: Path) -> None:
    """The same process lives, nothing of it has failed, and it does its work."""
    checks = {
        "the process lives": program.alive and program.starts == 1,
        "no traceback in its log": "Traceback" not in log.read_text()
        and "thread failed" not in log.read_text(),
        "a sound request is answered": sound(),
    }
    for check, right in checks.items():
        tally.add(name, "afterwards", check, "yes" if right else "no", right=right)


def run(work: Path) -> Tally:
    """Everything, once."""
    root, tally = work.resolve(), Tally()
    root.mkdir(parents=True, exist_ok=True)
    tokens, port = root / "tokens", free_port()
    tokens.write_text(f"bench {token_hash(TOKEN)}\n")
    (root / "token").write_text(TOKEN)
    site = make_site(root, cloud=f"http://127.0.0.1:{port}/v1", deadline=5.0, tokens=tokens)
    shutil.rmtree(site.disk, ignore_errors=True)
    for log in root.glob("*.log"):
        log.unlink()
    station = station_program(site)
    cloud = cloud_program(root, port, "service", "--tokens-file", tokens)
    files = [*corpus(decode_image(site.frames[0])), *decoders()]
    with running(station, cloud):
        station.start()
        cloud.start()
        station.wait_ready()
        cloud.wait_ready()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        at_station = httpx.Client(base_url=site.url, headers=headers, timeout=PATIENCE)
        at_cloud = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE)
        with at_station, at_cloud:
            attack(tally, site, port, files, at_station, at_cloud)
            kind = {"Content-Type": "image/jpeg"}
            post = f"/v1/lines/{LINE}/frames?wait=30"

            def judges() -> bool:
                answer = at_station.post(post, content=site.frames[0], headers=kind)
                return bool(answer.json()["verdict"]["label"] in (0, 1))

            health(tally, "station", station, judges, root / "station.log")
            asked = question(data_url(site.frames[0], "jpeg"))

            def answers() -> bool:
                return at_cloud.post("/v1/chat/completions", json=asked).status_code == 200

            health(tally, "cloud", cloud, answers, root / "cloud.log")
        for program in (station, cloud):
            ended = program.stop()
            tally.add(program.name, "afterwards", "it stops when told", str(ended), right=ended == 0)
    return tally


def attack(
    tally: Tally, site: Site, port: int, files: list[File], at_station: httpx.Client, at_cloud: httpx.Client
) -> None:
    steps: tuple[Callable[[], None], ...] = (
        lambda: try_images_over_http(tally, at_station, files),
        lambda: try_images_in_folder(tally, site, files),
        lambda: try_images_at_cloud(tally, at_cloud, files),
    )
    for step in steps:
        step()
        done = sum(sum(outcomes.values()) for outcomes in tally.counts.values())
        print(f"{done} tried, {len(tally.wrong)} of them wrong", flush=True)
    to = To(TOKEN, f"/v1/lines/{LINE}/frames", "image/png", small_png())
    try_requests(tally, "station, HTTP", site.port, [*to_station(to), *to_both(to, LARGEST)])
    asked = json.dumps(question(data_url(small_png()))).encode()
    to = To(TOKEN, "/v1/chat/completions", "application/json", asked)
    try_requests(tally, "cloud, HTTP", port, [*to_cloud(to, small_png()), *to_both(to, LARGEST)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-hostile"))
    args = parser.parse_args()
    tally = run(args.work)
    print(tally.table())
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
