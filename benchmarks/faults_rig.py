"""A station and its cloud as real processes on loopback: the site that the station's benchmarks run on.

A site is a folder with a line that is fitted on procedural images, frames to send, settings, and where asked
for a small disk of its own: an ext4 file system in a file, which can be filled, and whose file holds at any
moment what a power cut at that moment would leave.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import msgspec
import psutil

from saec import edge
from saec.data.images.pixels import decode_image, read_image
from saec.profile import CloudTrust, LineProfile
from saec.station.cloud_models import CloudModels
from saec.station.setup.settings_file import read_settings

HERE = Path(__file__).parent
LINE = "cell"
HOOK = "hook"
"""Name of the sink that is a webhook."""

FREE = 0.05
"""Gigabytes that the spool leaves free on the disk."""


def saec(*args: str | Path) -> None:
    """Run a command of saec to its end."""
    subprocess.run([sys.executable, "-m", "saec", *map(str, args)], check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Site:
    """Where everything lies.

    Attributes:
        root: of all files; ``disk`` below it is the station's disk.
        port: of the station.
        frames: encoded images of 256 px, goods and defects in turns.
    """

    root: Path
    port: int
    frames: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def disk(self) -> Path:
        return self.root / "disk"

    @property
    def config(self) -> Path:
        return self.root / "station.toml"

    @property
    def verdicts(self) -> list[Path]:
        """The folder of each sink."""
        return sorted((self.disk / "verdicts").iterdir())

    @property
    def database(self) -> Path:
        return self.disk / "data" / "spool.sqlite"


def make_site(
    root: Path,
    *,
    cloud: str,
    model: str = "small",
    deadline: float,
    tokens: Path | None = None,
    sinks: int = 1,
    hook: int | None = None,
) -> Site:
    """Fit a line (once for each folder) and write the settings of a station that asks ``cloud``.

    Args:
        root: the folder; a line and images that stand there are used again.
        cloud: address of the service, with its version.
        model: its name there.
        deadline: of the line, seconds.
        tokens: the station's tokens file.
        sinks: how many folders the verdicts are written to.
        hook: port of loopback that they are posted to as well.
    """
    images, fitted = root / "images", root / "fitted"
    if not fitted.exists():
        made = ("--n-train", "30", "--n-train-defect", "20", "--n-good", "40", "--n-defect", "40")
        saec("data", "procedural", "--out", images, "--family", "bolt", *made)
        saec(
            *("fit", images, "--out", fitted, "--side-px", "128", "--memory-patches", "512"),
            *("--folds", "5", "--threads", "1"),
        )
    profile = root / "profile"
    shutil.rmtree(profile, ignore_errors=True)
    shutil.copytree(fitted, profile)
    port = free_port()
    (root / "station.toml").write_text(_toml(port, cloud, model, deadline, tokens) + _sinks(sinks, hook))
    paths = [sorted(images.glob(pattern)) for pattern in ("test/good/*.png", "test/[!g]*/*.png")]
    pictures = [read_image(path) for pair in zip(*paths, strict=False) for path in pair]
    frames = [cv2.imencode(".jpg", p[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1] for p in pictures]
    return Site(root, port, [frame.tobytes() for frame in frames])


def _toml(port: int, cloud: str, model: str, deadline: float, tokens: Path | None) -> str:
    listed = "" if tokens is None else f'tokens_file = "{tokens}"\n'
    shown = "" if tokens is None else 'remote.token_file = "token"\n'
    return f"""[station]
name = "bench"
data = "disk/data"
listen = "127.0.0.1:{port}"
{listed}
[[line]]
name = "{LINE}"
profile = "profile"
deadline_s = {deadline}

[[source]]
name = "in"
kind = "folder"
line = "{LINE}"
path = "disk/in"

[cloud]
model = "{cloud}"
service_model = "{model}"
remote.timeout_s = 5.0
{shown}
[spool]
free_gb = {FREE}
"""


def _sinks(count: int, hook: int | None) -> str:
    folders = "".join(
        f'\n[[sink]]\nname = "log{n}"\nkind = "files"\npath = "disk/verdicts/{n}"\n' for n in range(count)
    )
    posted = f'\n[[sink]]\nname = "{HOOK}"\nkind = "webhook"\nurl = "http://127.0.0.1:{hook}/verdicts"\n'
    return folders + (posted if hook is not None else "")


def give_trust(site: Site, ask: float) -> None:
    """Give the cloud, which must run, a say; and lay the gate around the frames nearest the threshold.

    Args:
        site: no station has run on it yet.
        ask: share of the frames that lie inside the gate.
    """
    clouds = CloudModels(read_settings(site.config).cloud, site.root / "known")
    clouds(None)
    clouds.identify()
    (cloud,) = clouds(None)
    trust = CloudTrust(model=cloud.key, prompt=cloud.engine.prompt, mode="fused", cloud_weight=1.0)
    profile = LineProfile.open(site.root / "profile")
    calibration, detector = profile.calibration, edge.open_detector(profile)
    scores = [detector.inspect([decode_image(frame)])[0].score for frame in site.frames]
    nearest = sorted(scores, key=lambda score: abs(score - calibration.threshold))
    inside = nearest[: max(1, round(ask * len(scores)))]
    gate = msgspec.structs.replace(calibration.gate, low=min(inside), high=max(inside))
    profile.recalibrated(msgspec.structs.replace(calibration, gate=gate, clouds={cloud.key: trust}))


class Program:
    """A process that is started, killed and started again; its output goes to a file.

    Attributes:
        started: when it was started last, seconds of ``time.monotonic``.
        starts: how often.
    """

    def __init__(self, name: str, args: Sequence[str | Path], log: Path, health: str) -> None:
        self.name, self._args, self._log = name, [str(arg) for arg in args], log
        self._health, self.started, self.starts = health, 0.0, 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.started, self.starts = time.monotonic(), self.starts + 1
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen([sys.executable, *self._args], stdout=log, stderr=log, env=env)

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self._health, timeout=2).is_success
        return False

    def wait_ready(self, seconds: float = 120) -> float:
        """Wait until it answers; how long after its start.

        Raises:
            RuntimeError: it has ended, or did not answer in time.
        """
        while time.monotonic() - self.started < seconds:
            if self.ready():
                return time.monotonic() - self.started
            if not self.alive:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not run: {self._log.read_text()[-2000:]}")

    def processor_time(self) -> float:
        """Seconds that it has spent on a processor: unlike a clock's they do not grow with others' load."""
        if self.process is None:
            return 0.0
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def limit_handles(self, more: int | None) -> None:
        """Let it open so many files more than it has open now; None gives back what it began with."""
        if self.process is None or not self.alive:
            return
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if more is not None:
                soft = psutil.Process(self.process.pid).num_fds() + more
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (soft, hard))

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.alive:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM, and SIGKILL where that does not help; its exit status."""
        self.signal(signal.SIGTERM)
        if self.process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()
        return int(self.process.returncode)


def station_program(site: Site, clock: Path | None = None) -> Program:
    """``saec station``, under a clock that can be stepped where a file for it is given."""
    start: list[str | Path] = ["-m", "saec"] if clock is None else [HERE / "faults_clock.py", clock]
    args = ["-X", "faulthandler", *start, "station", "--config", site.config, "--log-level", "warning"]
    return Program("station", args, site.root / "station.log", f"{site.url}/ready")


def cloud_program(root: Path, port: int, kind: str, *more: str | Path) -> Program:
    """``saec cloud`` with the small checkpoint and further options, or the stub that answers at once."""
    listen = f"127.0.0.1:{port}"
    args: list[str | Path] = [HERE / "faults_cloud.py", "--listen", listen]
    if kind == "service":
        args = [
            "-m",
            "saec",
            "cloud",
            "--model",
            "small",
            "--listen",
            listen,
            "--log-level",
            "warning",
            *more,
        ]
    return Program("cloud", args, root / "cloud.log", f"http://{listen}/health")


class Clock:
    """The file from which ``faults_clock.py`` reads by how much the clock is wrong."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(struct.pack("d", 0.0))
        self.path, self._file = path, path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 8)

    def step(self, seconds: float) -> None:
        (now,) = struct.unpack("d", self._map[:])
        self._map[:] = struct.pack("d", now + seconds)


class Disk:
    """A file system of its own in a file; needs the right to mount.

    Its file is written by the kernel alone, when something is synced or much later, so a copy of it is what a
    power cut at that moment would leave: without every write that was not yet synced.
    """

    def __init__(self, mount: Path, megabytes: int = 1500) -> None:
        self._mount, self._file = mount, mount.with_suffix(".img")
        self._file.unlink(missing_ok=True)
        with self._file.open("wb") as f:
            f.truncate(megabytes * 1_000_000)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._file], check=True)
        mount.mkdir(parents=True, exist_ok=True)
        self._attach()

    @staticmethod
    def possible() -> bool:
        """Whether this process may mount."""
        return (
            os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None and Path("/dev/loop-control").exists()
        )

    def _attach(self) -> None:
        # commit=60: the file system itself writes nothing down of its own accord for a minute.
        subprocess.run(["mount", "-o", "loop,commit=60", self._file, self._mount], check=True)

    def power_cut(self, station: Program) -> None:
        """End the station and undo every write that was not synced."""
        station.signal(signal.SIGSTOP)
        left = self._file.with_suffix(".cut")
        subprocess.run(["cp", "--sparse=always", self._file, left], check=True)
        station.kill()
        subprocess.run(["umount", self._mount], check=True)
        left.replace(self._file)
        self._attach()

    def fill(self, left: int) -> None:
        """Leave so many bytes of room."""
        free = shutil.disk_usage(self._mount).free - left
        with (self._mount / "filler").open("wb", buffering=0) as f, contextlib.suppress(OSError):
            os.posix_fallocate(f.fileno(), 0, max(1, free))
        with (self._mount / "filler2").open("wb", buffering=0) as f, contextlib.suppress(OSError):
            while left == 0:
                f.write(bytes(4096))

    def make_room(self) -> None:
        for name in ("filler", "filler2"):
            (self._mount / name).unlink(missing_ok=True)

    def detach(self) -> None:
        subprocess.run(["umount", self._mount], check=False)
        self._file.unlink(missing_ok=True)


@contextlib.contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Nothing is left running behind."""
    try:
        yield
    finally:
        for program in programs:
            program.kill()
