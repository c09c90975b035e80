"""saec meter on real child processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from saec.cli import main
from saec.errors import DataError
from saec.meter.measured_command import NO_MARKS, decided, measure_command
from saec.meter.rapl import CpuEnergy, NullCpu
from saec.types import State, VerdictRecord

PY = sys.executable


def _verdict(truth: int | None, label: int | None, *, id: str = "a", replaces: bool = False) -> bytes:
    state: State = "final" if label is not None else "error"
    verdict = VerdictRecord(
        id=id,
        path="a.png",
        sha256="",
        line="x",
        time=0.0,
        truth=truth,
        label=label,
        state=state,
        replaces=replaces,
    )
    return msgspec.json.encode(verdict) + b"\n"


class _Witness(CpuEnergy):
    """Lets the grandchild go once a whole sample was taken while it was ready."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.samples = folder, 0

    def energy_j(self) -> None:
        self.samples += (self.folder / "ready").exists()
        if self.samples >= 2:
            (self.folder / "go").touch()


def test_a_child_and_its_child_are_watched(tmp_path: Path) -> None:
    grandchild = (
        "import pathlib, time\n"
        "block = bytearray(b'x') * 60_000_000\n"
        "pathlib.Path('ready').touch()\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.005)\n"
    )
    child = (
        f"import os, subprocess; os.chdir({str(tmp_path)!r})\n"
        "block = bytearray(b'x') * 40_000_000\n"
        f"subprocess.run([{PY!r}, '-c', {grandchild!r}])\n"
    )
    status, readings = measure_command([PY, "-c", child], interval=0.01, cpu=_Witness(tmp_path))
    assert status == 0
    peak = readings["run"].cpu_memory_peak_gb
    assert peak is not None
    assert 0.1 < peak < 0.3
    assert readings["run"].notes[-1] == NO_MARKS


def test_marks_of_the_child_set_loading_apart() -> None:
    child = (
        "from saec.meter import Meter\n"
        "with Meter() as m:\n"
        "    with m.phase('loading'): sum(range(3_000_000))\n"
        "    with m.phase('run'): sum(range(3_000_000))\n"
    )
    status, readings = measure_command([PY, "-c", child], interval=0.02, cpu=NullCpu("test"))
    assert status == 0
    assert set(readings) == {"run", "loading", "other"}
    assert readings["loading"].wall_s > 0
    assert readings["run"].wall_s > 0
    assert NO_MARKS not in readings["run"].notes


@pytest.mark.parametrize(
    ("end", "status"), [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_status_is_passed_on(end: str, status: int) -> None:
    assert main(["meter", "--", PY, "-c", f"import os, sys; {end}"]) == status


def test_a_command_that_does_not_exist(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "--", "no-such-command-anywhere"]) == 2
    assert "cannot start no-such-command-anywhere" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("to_group", "number", "status"), [(True, signal.SIGINT, 5), (False, signal.SIGTERM, 143)]
)
def test_signals_reach_the_command_and_the_figures_are_printed(
    to_group: bool, number: signal.Signals, status: int
) -> None:
    child = (
        "import sys, time\n"
        "try:\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(5)\n"
    )
    meter = subprocess.Popen(
        [PY, "-m", "saec", "meter", "--", PY, "-c", child],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert meter.stdout is not None
    assert meter.stdout.readline() == "ready\n"
    if to_group:  # as a terminal does on Ctrl-C
        os.killpg(meter.pid, number)
    else:
        meter.send_signal(number)
    _, err = meter.communicate(timeout=60)
    assert meter.returncode == status
    assert "wall time" in err


def test_the_table_says_unknown_and_json_says_null(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save = tmp_path / "figures.json"
    assert (
        main(["meter", "--json", str(save), "--images", "4", "--accuracy", "0.75", "--", PY, "-c", ""]) == 0
    )
    figures = json.loads(save.read_text())
    assert (figures["images"], figures["correct"], figures["accuracy"]) == (4, 3, 0.75)
    assert "run" in figures["phases"]
    lines = capfd.readouterr().err.splitlines()
    for name, key in [("GPU energy, J", "gpu_energy_j"), ("CPU energy, J", "cpu_energy_j")]:
        shown = next(line for line in lines if name in line)
        assert ("unknown" in shown) == (figures["phases"]["run"][key] is None)
        assert figures["phases"]["run"][key] != 0


def test_accuracy_is_counted_from_the_verdicts_that_the_command_adds(tmp_path: Path) -> None:
    verdicts, save, more = tmp_path / "verdicts.jsonl", tmp_path / "f.json", tmp_path / "more.jsonl"
    verdicts.write_bytes(_verdict(1, 1) * 50)
    more.write_bytes(_verdict(0, 0) + _verdict(1, 0) + _verdict(None, 1) + _verdict(1, None) + _verdict(1, 1))
    append = f"open({str(verdicts)!r}, 'ab').write(open({str(more)!r}, 'rb').read())"
    assert main(["meter", "--verdicts", str(verdicts), "--json", str(save), "--", PY, "-c", append]) == 0
    figures = json.loads(save.read_text())
    assert (figures["images"], figures["correct"], figures["accuracy"]) == (4, 2, 0.5)


def test_verdicts_that_do_not_come_are_an_error_after_the_figures(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "verdicts.jsonl"
    stale.write_bytes(_verdict(1, 1))
    assert main(["meter", "--verdicts", str(stale), "--", PY, "-c", ""]) == 2
    err = capfd.readouterr().err
    assert "wall time" in err
    assert "nothing was written" in err
    assert main(["meter", "--verdicts", str(stale), "--", PY, "-c", "raise SystemExit(9)"]) == 9


def test_what_is_no_verdict_is_refused() -> None:
    with pytest.raises(DataError, match="row 2"):
        decided(_verdict(0, 0) + b"{}\n")
    assert decided(_verdict(None, 1)).images is None


def test_of_several_verdicts_on_a_frame_the_last_counts() -> None:
    late = _verdict(1, 0, id="a") + _verdict(1, 1, id="b") + _verdict(1, 1, id="a", replaces=True)
    assert msgspec.structs.astuple(decided(late)) == (2, 2, 1.0)


@pytest.mark.parametrize(
    "options", [["--verdicts", "v.jsonl", "--accuracy", "0.5"], ["--json", "no/such/folder/f.json"]]
)
def test_contradictions_stop_before_the_command_runs(options: list[str], tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    assert main(["meter", *options, "--", PY, "-c", f"open({str(ran)!r}, 'w')"]) == 2
    assert not ran.exists()
