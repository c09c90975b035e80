from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.tune.data_parallel import ALONE, Processes, launched
from saec.tune.merged_checkpoint import read_adapter_card
from saec.tune.tuning_run import tune
from saec.tune.tuning_settings import TuneConfig

WHEN = "2026-01-01T00:00:00+00:00"


@given(st.integers(1, 9), st.lists(st.integers(), max_size=40))
def test_each_piece_is_one_process_s(count: int, pieces: list[int]) -> None:
    shares = [Processes(rank, count).share(pieces) for rank in range(count)]
    assert sorted(piece for share in shares for piece in share) == list(enumerate(pieces))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_the_environment_says_which_process_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert launched() == ALONE
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert launched() == Processes(rank=3, count=4, local=1)
    assert not launched().first


def test_each_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    second = Processes(rank=3, count=4, local=1)
    assert [second.device(asked) for asked in ("auto", "cuda", "cpu")] == ["cuda:1", "cuda:1", "cpu"]
    assert ALONE.device("cuda:5") == "cuda:5"
    with pytest.raises(ConfigError, match="one GPU for 4 processes"):
        second.device("cuda:0")


def test_more_processes_than_batches_are_refused(
    sft: Path, tmp_path: Path, settings: Callable[..., TuneConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="--accumulation 4"):
        tune(sft, tmp_path / "adapter", settings(), created=WHEN)


def weights(adapter: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(adapter / "adapter_model.safetensors")


def together(data: Path, out: Path, config: TuneConfig, *more: str) -> subprocess.CompletedProcess[str]:
    """``saec tune`` in two processes."""
    options = [
        f"--{name.replace('_', '-')}={getattr(config, name)}"
        for name in ("base", "accumulation", "epochs", "learning_rate", "device", "save_every_steps", "dtype")
    ]
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*run, "-m", "saec", "tune", f"--data={data}", f"--out={out}", *options, *more]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def same_adapters(ours: Path, theirs: Path) -> None:
    """Weights equal but for the order of sums.

    A float32 sum of a few batches in another order differs by some units of its last place. AdamW divides a
    gradient by its size, so where one is nearly zero its direction may differ, and the weight with it: those
    are few. So the matrices that begin at zero are compared as a whole.
    """
    for name, there in weights(theirs).items():
        if ".lora_B." in name:
            assert np.linalg.norm(weights(ours)[name] - there) <= 0.02 * np.linalg.norm(there), name


@pytest.mark.acceptance
@pytest.mark.parametrize("dtype", ["float32", "4bit"])
def test_two_processes_make_the_adapter_of_one_also_after_a_kill(
    sft: Path, tmp_path: Path, settings: Callable[..., TuneConfig], dtype: str
) -> None:
    config = settings(learning_rate=1e-4, dtype=dtype)
    alone, both, resumed = (tmp_path / name for name in ("alone", "both", "resumed"))
    card = tune(sft, alone, config, created=WHEN)
    done = together(sft, both, config)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("<- kept") == 1  # the first process alone reports
    found = read_adapter_card(both)
    assert [e.loss for e in found.epochs] == pytest.approx([e.loss for e in card.epochs], rel=1e-3)
    assert found.before.loss == pytest.approx(card.before.loss, rel=1e-5)
    same_adapters(both, alone)

    def killed(what: str, made: int, of: int) -> None:
        if what == "steps" and made == config.save_every_steps + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(sft, resumed, config, created=WHEN, report=killed)
    done = together(sft, resumed, config, "--resume")
    assert done.returncode == 0, done.stderr
    same_adapters(resumed, alone)
