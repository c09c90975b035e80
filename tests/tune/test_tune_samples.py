from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saec.data.manifest import Manifest, ManifestEntry
from saec.errors import DataError, LeakError
from saec.tune.samples import read_data


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, values: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(v) + "\n" for v in values))


def holdout(path: Path, sha: str, *, role: str = "holdout", part: str = "") -> Path:
    Manifest(roles={sha: ManifestEntry(role, "held.png", 0, part)}).write(path)  # type: ignore[arg-type]
    return path


def test_the_builder_s_data_is_read(sft: Path) -> None:
    data = read_data(sft)
    assert (data.dataset, len(data.train), len(data.val)) == ("plates", 14, 12)
    assert {e.role for e in data.manifest.roles.values()} == {"sft-train", "sft-val"}
    assert all(s.image.is_file() for s in (*data.train, *data.val))


def test_several_categories_go_by_the_name_of_their_root(sft: Path) -> None:
    values = lines(sft / "train.jsonl")
    values[0]["category"] = "other"
    write(sft / "train.jsonl", values)
    assert read_data(sft).dataset == "line"


@pytest.mark.parametrize("name", ["train", "val"])
def test_an_image_of_a_hold_out_is_refused_by_name(sft: Path, tmp_path: Path, name: str) -> None:
    line = lines(sft / f"{name}.jsonl")[0]
    with pytest.raises(LeakError, match=str(line["id"])):
        read_data(sft, [holdout(tmp_path / "held.json", str(line["sha256"]))])


def test_the_same_image_in_another_role_is_no_hold_out(sft: Path, tmp_path: Path) -> None:
    sha = str(lines(sft / "train.jsonl")[0]["sha256"])
    assert read_data(sft, [holdout(tmp_path / "other.json", sha, role="train")]).train


def test_a_line_s_manifest_knows_its_hold_out(sft: Path, tmp_path: Path) -> None:
    """What a fit writes: the roles of all images of its data set."""
    first, second = (str(line["sha256"]) for line in lines(sft / "val.jsonl")[:2])
    roles = {first: ManifestEntry("train", "a.png", 0), second: ManifestEntry("holdout", "b.png", 0)}
    Manifest(roles=roles).write(tmp_path / "manifest.json")
    with pytest.raises(LeakError, match=str(lines(sft / "val.jsonl")[1]["id"])):
        read_data(sft, [tmp_path / "manifest.json"])


def test_another_view_of_a_part_in_a_hold_out_is_refused(sft: Path, tmp_path: Path) -> None:
    values = lines(sft / "train.jsonl")
    values[3]["part"] = "plates/7"
    write(sft / "train.jsonl", values)
    with pytest.raises(LeakError, match="plates/7"):
        read_data(sft, [holdout(tmp_path / "held.json", "0" * 64, part="plates/7")])


def test_an_image_in_train_and_val_is_refused(sft: Path) -> None:
    first = lines(sft / "train.jsonl")[0]
    write(sft / "val.jsonl", [*lines(sft / "val.jsonl"), first])
    with pytest.raises(LeakError, match=str(first["id"])):
        read_data(sft)


def test_a_part_in_train_and_val_is_refused(sft: Path) -> None:
    for name in ("train", "val"):
        values = lines(sft / f"{name}.jsonl")
        values[0]["part"] = "plates/1"
        write(sft / f"{name}.jsonl", values)
    with pytest.raises(LeakError, match="plates/1"):
        read_data(sft)


def test_a_changed_image_is_refused(sft: Path) -> None:
    image = sft / str(lines(sft / "val.jsonl")[0]["image"])
    data = image.read_bytes()
    image.unlink()  # a link to the source
    image.write_bytes(data + b"!")
    with pytest.raises(DataError, match="changed after"):
        read_data(sft)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v | {"label": 2}, "label is 2"),
        (lambda v: {k: x for k, x in v.items() if k != "sha256"}, "sha256"),
        (lambda v: v | {"image": "images/gone.png"}, "gone.png"),
    ],
)
def test_a_damaged_line_is_refused(sft: Path, change: Callable[..., Any], said: str) -> None:
    values = lines(sft / "train.jsonl")
    write(sft / "train.jsonl", [change(values[0]), *values[1:]])
    with pytest.raises(DataError, match=said):
        read_data(sft)


def test_one_class_is_not_enough(sft: Path) -> None:
    write(sft / "val.jsonl", [v for v in lines(sft / "val.jsonl") if v["label"] == 0])
    with pytest.raises(DataError, match=r"val\.jsonl has no defect"):
        read_data(sft)


def test_missing_data_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_data(tmp_path)
    assert "saec data sft" in caught.value.remedy
