"""Builders: the same seed gives the same files, nothing leaks, nothing half-written stays."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec import prompts
from saec.data.builders import mvtec_holdout as holdout_module
from saec.data.builders.build_folder import SourceImage, place_file
from saec.data.builders.instructions import build_sft, split
from saec.data.builders.ksdd2 import build_ksdd2
from saec.data.builders.mvtec_holdout import build_holdout
from saec.data.dataset import open_dataset
from saec.data.images.file_names import find_images
from saec.data.items import Item
from saec.data.manifest import Manifest, check_disjoint
from saec.data.parts import PartIds
from saec.errors import ConfigError, DataError, LeakError
from saec.profile import sha256_file
from saec.settings import HoldoutConfig, Ksdd2Config, SftConfig

Draw = Callable[..., Path]


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Listing(list[Any]):
    """A folder's entries, usable as what os.scandir gives."""

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def shuffle_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system list folders in another order."""
    scandir, iterdir = os.scandir, Path.iterdir

    def shuffled(found: Any) -> Listing:
        entries = Listing(found)
        random.Random(7).shuffle(entries)
        return entries

    monkeypatch.setattr(os, "scandir", lambda p: shuffled(scandir(p)))
    monkeypatch.setattr(Path, "iterdir", lambda self: shuffled(iterdir(self)))


def test_holdout_counts_names_and_masks(mvtec: Path, tmp_path: Path) -> None:
    built = build_holdout(
        mvtec, tmp_path / "out", HoldoutConfig(n_good=4, n_defect=500, lists=tmp_path / "lists")
    )
    assert built.counts == {"good": 4, "defect": 12, "excluded": 0}
    assert built.notes == ["you asked for 500 defect images, but only 12 exist"]
    data = open_dataset(tmp_path / "out")
    assert len(data.select("val", 0)) == 4
    assert len([i for i in data.select("val", 1) if i.mask]) == 12
    names = {i.path.name for i in data.items}
    assert {"bolt__bent__000.png", "cap__dirty__001.png"} <= names
    for name in names:
        category, kind, file = name.split("__")
        assert (tmp_path / "out" / "val").rglob(name)
        source = mvtec / category / "test" / kind / file
        assert next((tmp_path / "out" / "val").rglob(name)).read_bytes() == source.read_bytes()
    manifest = Manifest.read(tmp_path / "out")
    assert len(manifest.having("holdout")) == 16
    listed = (tmp_path / "lists" / "mvtec_holdout_good.txt").read_text().splitlines()
    assert listed == sorted(e.path for e in manifest.roles.values() if e.label == 0)


def test_holdout_is_the_same_whatever_the_listing(
    mvtec: Path, ksdd2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(name: str, seed: int = 3) -> Path:
        build_holdout(mvtec, tmp_path / name / "m", HoldoutConfig(n_good=3, n_defect=5, seed=seed))
        build_ksdd2(ksdd2, tmp_path / name / "k", Ksdd2Config(seed=seed))
        build_sft(mvtec, tmp_path / name / "s", SftConfig(seed=seed, link=False))
        return tmp_path / name

    first = files(build("first"))
    assert set(files(build("other", seed=4))) != set(first)
    with monkeypatch.context() as patch:
        shuffle_listings(patch)
        assert find_images(mvtec) == sorted(find_images(mvtec))
        second = build("second")
    assert files(second) == first


def test_holdout_excludes_by_manifest_and_by_jsonl(mvtec: Path, tmp_path: Path) -> None:
    build_sft(mvtec, tmp_path / "sft", SftConfig(references=1))
    trained = Manifest.read(tmp_path / "sft").having("sft-train")
    build_holdout(mvtec, tmp_path / "all")
    with pytest.raises(LeakError):
        check_disjoint(Manifest.read(tmp_path / "all").roles, Manifest.read(tmp_path / "sft"))
    build_holdout(mvtec, tmp_path / "a", HoldoutConfig(exclude=(tmp_path / "sft" / "train.jsonl",)))
    held = Manifest.read(tmp_path / "a").roles
    assert not held.keys() & trained.keys()
    assert len(held) == 6 + 6
    build_holdout(mvtec, tmp_path / "b", HoldoutConfig(exclude=(tmp_path / "sft" / "val.jsonl",)))
    with pytest.raises(DataError, match="every test image is excluded"):
        build_holdout(mvtec, tmp_path / "c", HoldoutConfig(exclude_manifest=(tmp_path / "sft",)))
    assert not (tmp_path / "c").exists()


def test_exclusion_by_names_from_elsewhere(mvtec: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    named = [
        {"images": ["/elsewhere/data/bolt/test/bent/000.png"]},
        {"messages": [{"content": [{"type": "image", "image": r"D:\mvtec\cap\test\good\001.png"}]}]},
        {"image": "bolt/train/good/000.png"},
    ]
    file.write_text("\n\n".join(map(json.dumps, named)))
    built = build_holdout(mvtec, tmp_path / "out", HoldoutConfig(exclude=(file,)))
    assert built.counts == {"good": 5, "defect": 11, "excluded": 2}


@pytest.mark.parametrize(
    "line", ['{"image": "000.png"}', '{"image": "x/test/bent/999.png"}', '{"a": 1}', "{"]
)
def test_exclusions_that_cannot_be_understood_stop(mvtec: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "seen.jsonl").write_text(line)
    with pytest.raises(DataError, match=r"seen\.jsonl:1"):
        build_holdout(mvtec, tmp_path / "out", HoldoutConfig(exclude=(tmp_path / "seen.jsonl",)))


def test_exclusion_reaches_the_whole_part(tmp_path: Path, draw: Draw) -> None:
    src = tmp_path / "src"
    for at, name in enumerate(("good/p1_a", "good/p1_b", "good/p2_a", "scratch/p3_a")):
        draw(src / "test" / f"{name}.png", at)
    (tmp_path / "seen.jsonl").write_text(json.dumps({"image": str(src / "test/good/p1_a.png")}))
    built = build_holdout(
        src, tmp_path / "out", HoldoutConfig(exclude=(tmp_path / "seen.jsonl",)), parts=PartIds(r"(p\d)_")
    )
    assert built.counts == {"good": 1, "defect": 1, "excluded": 2}


def test_copies_in_the_pool_are_taken_once(mvtec: Path, tmp_path: Path) -> None:
    shutil.copy(mvtec / "bolt/test/good/000.png", mvtec / "cap/test/good/copy.png")
    assert build_holdout(mvtec, tmp_path / "out").counts["good"] == 6
    shutil.copy(mvtec / "bolt/test/good/000.png", mvtec / "cap/test/bent/copy.png")
    with pytest.raises(DataError, match="different labels"):
        build_holdout(mvtec, tmp_path / "two")


def test_links_and_copies(mvtec: Path, tmp_path: Path) -> None:
    build_holdout(mvtec, tmp_path / "copies")
    build_holdout(mvtec, tmp_path / "links", HoldoutConfig(link=True))
    assert not any(p.is_symlink() for p in (tmp_path / "copies").rglob("*"))
    assert all(p.is_symlink() for p in (tmp_path / "links" / "val").rglob("*.png"))
    assert files(tmp_path / "links") == files(tmp_path / "copies")


def test_an_output_in_use_is_kept_unless_forced(mvtec: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    build_holdout(mvtec, out, HoldoutConfig(n_good=1))
    before = files(out)
    with pytest.raises(DataError, match="not empty"):
        build_holdout(mvtec, out, HoldoutConfig(n_good=2))
    assert files(out) == before
    build_holdout(mvtec, out, HoldoutConfig(n_good=2), force=True)
    assert len(open_dataset(out).select(label=0)) == 2
    with pytest.raises(DataError, match="contains the source"):
        build_holdout(mvtec, tmp_path, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="no builder of saec made it"):
        build_holdout(mvtec, tmp_path / "mine", force=True)


def test_nothing_half_written_stays(mvtec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, calls = place_file, 0

    def fails(*args: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        place(*args, **options)

    monkeypatch.setattr(holdout_module, "place_file", fails)
    with pytest.raises(KeyboardInterrupt):
        build_holdout(mvtec, tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


def test_ksdd2_one_to_one(ksdd2: Path, tmp_path: Path) -> None:
    built = build_ksdd2(ksdd2, tmp_path / "out", Ksdd2Config(lists=tmp_path / "lists"))
    assert built.counts == {"good": 3, "defect": 3}
    assert "mixes" in built.notes[0]
    data = open_dataset(tmp_path / "out")
    assert sorted(i.path.name for i in data.select("val", 1)) == ["10000.png", "10001.png", "20000.png"]
    assert all(i.mask for i in data.select(label=1))
    assert sorted(p.name for p in (tmp_path / "lists").iterdir()) == [
        "ksdd2_1to1_defect.txt",
        "ksdd2_1to1_good.txt",
    ]
    assert len(Manifest.read(tmp_path / "out").having("holdout")) == 6


def test_ksdd2_official(ksdd2: Path, tmp_path: Path) -> None:
    built = build_ksdd2(ksdd2, tmp_path / "out", Ksdd2Config(protocol="official", link=True))
    assert built.counts == {"train good": 6, "train defect": 2, "test good": 5, "test defect": 1}
    data = open_dataset(tmp_path / "out")
    assert {s: len(data.select(s, 1)) for s in ("train", "test")} == {"train": 2, "test": 1}
    assert all(i.mask for i in data.select(label=1))
    manifest = Manifest.read(tmp_path / "out")
    assert (len(manifest.having("train")), len(manifest.having("holdout"))) == (8, 6)


def test_ksdd2_shared_image_stops_or_is_dropped(ksdd2: Path, tmp_path: Path) -> None:
    shutil.copy(ksdd2 / "test" / "20003.png", ksdd2 / "train" / "10005.png")
    with pytest.raises(LeakError, match="10005") as e:
        build_ksdd2(ksdd2, tmp_path / "out", Ksdd2Config(protocol="official"))
    assert "--drop-shared" in e.value.remedy
    built = build_ksdd2(ksdd2, tmp_path / "out", Ksdd2Config(protocol="official", drop_shared=True))
    assert built.counts["train good"] == 5
    assert built.counts["test good"] == 5


def test_ksdd2_needs_enough_goods(ksdd2: Path, tmp_path: Path) -> None:
    for path in ksdd2.glob("*/*[2-9].png"):
        path.unlink()
        path.with_name(f"{path.stem}_GT.png").unlink()
    with pytest.raises(DataError, match="1 good images and 3 with a defect"):
        build_ksdd2(ksdd2, tmp_path / "out")


def test_sft_counts_and_messages(mvtec: Path, tmp_path: Path) -> None:
    built = build_sft(mvtec, tmp_path / "sft", SftConfig(train_defect_share=0.5, references=2))
    assert built.counts["train"] == 12 + 6
    assert built.counts["val"] == 6 + 6
    train, val = lines(tmp_path / "sft" / "train.jsonl"), lines(tmp_path / "sft" / "val.jsonl")
    assert sum(s["label"] for s in train) == sum(s["label"] for s in val) == 6
    assert all("/train/good/" in f"/{s['id']}" for s in train if s["label"] == 0)
    for sample in train + val:
        system, user, assistant = sample["messages"]
        assert system["content"][0]["text"] == prompts.DEFAULT.system
        shown = [c["image"] for c in user["content"] if c["type"] == "image"]
        assert shown[-1] == sample["image"]
        assert len(set(shown)) == 3
        assert all("/train/good/" in s and s.split("/")[1] == sample["category"] for s in shown[:-1])
        assert all((tmp_path / "sft" / s).is_file() for s in shown)
        text = "".join(prompts.IMAGE if c["type"] == "image" else c["text"] for c in user["content"])
        assert text == prompts.DEFAULT.user(2)
        assert assistant["content"] == [{"type": "text", "text": f"Label: {sample['label']}"}]
    manifest = Manifest.read(tmp_path / "sft")
    assert manifest.having("sft-train").keys() == {s["sha256"] for s in train}
    assert manifest.having("sft-val").keys() == {s["sha256"] for s in val}


def test_sft_spares_images_to_measure_the_tuned_model_on(mvtec: Path, tmp_path: Path) -> None:
    built = build_sft(mvtec, tmp_path / "sft", SftConfig(references=1, calibration_share=0.34))
    folder = tmp_path / "sft" / "calibration"
    spared = {sha256_file(path): path.relative_to(folder).parts for path in folder.rglob("*.png")}
    assert built.counts["calibration"] == len(spared)
    by_label = {label: [p for p in spared.values() if p[1] == label] for label in ("good", "defect")}
    assert all({category for category, *_ in by_label[label]} == {"bolt", "cap"} for label in by_label)
    used = {s["sha256"] for name in ("train", "val") for s in lines(tmp_path / "sft" / f"{name}.jsonl")}
    assert not spared.keys() & (used | Manifest.read(tmp_path / "sft").roles.keys())
    # Nothing else is lost, and without the option nothing changes.
    assert built.counts["train"] + built.counts["val"] + len(spared) == 30
    plain = build_sft(mvtec, tmp_path / "plain", SftConfig(references=1))
    assert "calibration" not in plain.counts
    with pytest.raises(ConfigError, match="out of range"):
        build_sft(mvtec, tmp_path / "none", SftConfig(calibration_share=1.0))


def test_sft_leaves_the_holdout_out(mvtec: Path, tmp_path: Path) -> None:
    build_holdout(mvtec, tmp_path / "held", HoldoutConfig(n_good=2, n_defect=4))
    built = build_sft(mvtec, tmp_path / "sft", SftConfig(exclude_holdout=(tmp_path / "held",)))
    assert built.counts["excluded"] == 6
    check_disjoint(Manifest.read(tmp_path / "held").roles, Manifest.read(tmp_path / "sft"))
    build_holdout(mvtec, tmp_path / "goods", HoldoutConfig(n_defect=0))
    notes = build_sft(mvtec, tmp_path / "empty", SftConfig(exclude_holdout=(tmp_path / "goods",))).notes
    assert any("val has no good image" in n for n in notes)


def test_sft_says_what_it_cannot_do(mvtec: Path, tmp_path: Path, draw: Draw) -> None:
    with pytest.raises(ConfigError):
        build_sft(mvtec, tmp_path / "out", SftConfig(train_defect_share=1.5))
    with pytest.raises(DataError, match="6 references"):
        build_sft(mvtec, tmp_path / "out", SftConfig(references=6))
    assert not (tmp_path / "out").exists()
    draw(tmp_path / "bare" / "a.png", 0)
    with pytest.raises(DataError, match="without labels"):
        build_sft(tmp_path / "bare", tmp_path / "out")


sources = st.lists(
    st.tuples(
        st.sampled_from([("train", 0), ("test", 0), ("test", 1)]),
        st.sampled_from(["", "p1", "p2", "p3", "p4"]),
        st.integers(0, 8),
    ),
    max_size=25,
)


@given(sources, st.floats(0, 1), st.integers(0, 3))
def test_sft_never_tears_a_part_or_a_copy(
    rows: list[tuple[tuple[Any, int], str, int]], ratio: float, seed: int
) -> None:
    made = [
        SourceImage(
            "c",
            f"{s}/{at:02d}",
            Item(path=Path(f"{at:02d}"), label=label, split=s, part=part),
            f"{label}{sha}",
        )
        for at, ((s, label), part, sha) in enumerate(rows)
    ]
    sets = split(made, ratio, seed)
    keys: tuple[Callable[[SourceImage], str], ...] = (lambda s: s.sha, lambda s: s.item.part or s.sha)
    for key in keys:
        assert not {key(s) for s in sets.train} & {key(s) for s in sets.val}
    assert {s.sha for s in made if s.item.split == "train"} <= {s.sha for s in sets.train}
    assert {s.sha for s in [*sets.train, *sets.val, *sets.torn]} == {s.sha for s in made}
    again = split(made[::-1], ratio, seed)
    assert {s.sha for s in again.train} == {s.sha for s in sets.train}
