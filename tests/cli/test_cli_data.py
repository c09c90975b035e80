"""`saec data`: exit codes, what is printed, errors with their remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.cli import main


@pytest.fixture
def product(tmp_path: Path) -> Path:
    root = tmp_path / "product"
    rng = np.random.default_rng(0)
    for folder, n in (("train/good", 4), ("test/good", 2), ("test/scratch", 2)):
        (root / folder).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
            (root / folder / f"{i}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root


def test_check_exits_by_the_worst_fault(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(product)]) == 0
    assert "product (mvtec): train 4 good; test 2 good, 2 scratch" in capsys.readouterr().out
    shutil.copy(product / "train/good/0.png", product / "train/good/copy.png")
    assert main(["data", "check", str(product)]) == 0
    assert "0 errors, 1 warnings" in capsys.readouterr().out
    (product / "train/good/1.png").write_bytes(b"")
    assert main(["data", "check", str(product)]) == 1
    out = capsys.readouterr().out
    assert "error empty-file: 1" in out
    assert "train/good/1.png" in out
    assert "remedy: " in out


def test_check_json(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (product / "train/good/1.png").write_bytes(b"")
    assert main(["data", "check", str(product), "--json", "-"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["errors"], result["warnings"]) == (1, 0)
    (fault,) = result["datasets"][0]["faults"]
    assert fault["code"] == "empty-file"
    assert fault["paths"] == ["train/good/1.png"]


def test_check_with_parts(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(product), "--parts-pattern", r"(\d)"]) == 1
    assert "images of part 0 are in test and train" in capsys.readouterr().out
    assert main(["data", "check", str(product), "--parts-pattern", "("]) == 2


def test_builders(product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = str(tmp_path / "held")
    assert main(["data", "mvtec-holdout", "--src", str(product), "--out", held, "--n-defect", "1"]) == 0
    printed = capsys.readouterr()
    assert "good 2, defect 1" in printed.out
    assert "you asked for 500 good images, but only 2 exist" in printed.err
    sft = ["data", "sft", "--src", str(product), "--out", str(tmp_path / "sft"), "--exclude-holdout", held]
    assert main([*sft, "--train-defect-share", "1", "--no-link"]) == 0
    assert "[done] train=5 val=0" in capsys.readouterr().out
    assert main([*sft, "--train-defect-share", "1"]) == 2
    assert "remedy: choose another --out, or replace it with --force" in capsys.readouterr().err
    assert main(["data", "ksdd2", "--src", str(product), "--out", str(tmp_path / "k")]) == 2


def test_unknown_family_names_the_families(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "procedural", "--family", "unicorn", "--out", str(tmp_path / "p")]) == 2
    assert "remedy: use one of " in capsys.readouterr().err


def test_procedural_sets_check_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from saec.data.procedural import FAMILIES

    family = sorted(FAMILIES)[0]
    small = ["--n-train", "2", "--n-good", "2", "--n-defect", "3", "--size-px", "96"]
    out = str(tmp_path / "p")
    assert main(["data", "procedural", "--family", family, "--out", out, *small]) == 0
    assert main(["data", "check", out]) == 0, capsys.readouterr().out
