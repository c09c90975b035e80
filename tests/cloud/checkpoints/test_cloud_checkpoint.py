from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec.cloud.checkpoints import checkpoint_folder as checkpoint
from saec.cloud.checkpoints.checkpoint_folder import (
    check_adapter,
    check_checkpoint,
    find_checkpoint,
    read_card,
    weight_files,
    weights_hash,
)
from saec.cloud.questions.image_patches import Preprocessing
from saec.errors import ModelError
from saec.settings import ModelCard
from saec_research.small_model import FOLDER as SMALL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_shipped_checkpoint_is_complete_small_and_says_what_it_is() -> None:
    check_checkpoint(find_checkpoint("small"))
    assert read_card(SMALL).demonstration
    files = [p for p in SMALL.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    assert sum(p.stat().st_size for p in files) <= 24_000_000
    assert max(p.stat().st_size for p in files) <= 8_000_000
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".md"}
    assert "DEMONSTRATION" in (SMALL / "README.md").read_text()[:400]


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "nowhere", "a/b/c", "../x/y"])
def test_what_looks_like_a_path_is_never_asked_of_a_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "hub_folder", lambda n, _files: pytest.fail(f"asked the hub for {n}"))
    with pytest.raises(ModelError, match="not a folder"):
        find_checkpoint(name)


def test_a_hub_that_fails_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, **_: list[str]) -> None:
        raise OSError("no network\nlong story")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ModelError, match="owner/name") as e:
        find_checkpoint("owner/name")
    assert "\n" not in e.value.what
    assert "HF_TOKEN" in e.value.remedy


def test_a_hub_name_never_fetches_pickles(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked = {}

    def give(name: str, **options: list[str]) -> str:
        asked.update(options)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert find_checkpoint("owner/name") == folder
    assert not any(p.endswith((".bin", ".pt", "*")) for p in asked["allow_patterns"])


def test_another_architecture_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "llava_next"}))
    with pytest.raises(ModelError, match="'llava_next'"):
        check_checkpoint(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        check_checkpoint(folder)


@pytest.mark.parametrize("text", ["not json", "[1]"])
def test_a_damaged_config_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        check_checkpoint(folder)


def test_a_folder_without_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a checkpoint"):
        check_checkpoint(tmp_path)


def test_each_missing_piece_of_an_adapter_is_an_error(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    with pytest.raises(ModelError, match="folder"):
        check_adapter(str(adapter))
    adapter.mkdir()
    with pytest.raises(ModelError, match="configuration"):
        check_adapter(str(adapter))
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="weights"):
        check_adapter(str(adapter))
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert check_adapter(str(adapter)) == adapter


def test_a_checkpoint_without_card_is_no_demonstration(folder: Path) -> None:
    assert read_card(folder) == ModelCard()
    assert not ModelCard().demonstration
    (folder / "saec.json").write_text('{"demonstration": "perhaps"}')
    with pytest.raises(ModelError, match="damaged"):
        read_card(folder)


def test_the_hash_follows_every_byte_and_every_folder(folder: Path, tmp_path: Path) -> None:
    before = weights_hash([folder])
    assert weights_hash([folder]) == before
    assert weights_hash([folder, folder]) != before
    (folder / "model.safetensors").write_bytes(b"weighty")
    assert weights_hash([folder]) != before
    assert weight_files(folder) == [folder / "model.safetensors"]


def test_the_data_card_speaks_of_the_weights_that_ship() -> None:
    assert weights_hash([SMALL])[:16] in (SMALL / "README.md").read_text()


def test_adapter_files_in_a_checkpoints_place_are_refused_with_the_true_reason(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="both a checkpoint and an adapter") as refused:
        check_checkpoint(folder)
    assert "adapter" in refused.value.remedy
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="holds an adapter but no checkpoint"):
        check_checkpoint(folder)


def test_a_missing_part_of_an_adapter_says_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "trainer" / "checkpoint-100").mkdir(parents=True)
    (tmp_path / "trainer" / "checkpoint-100" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError) as refused:
        check_adapter(str(tmp_path / "trainer"))
    assert "checkpoint-100" in refused.value.remedy
    (tmp_path / "trainer" / "checkpoint-100" / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError) as refused:
        check_adapter(str(tmp_path / "trainer" / "checkpoint-100"))
    assert "saec models convert" in refused.value.remedy


IMAGES = {
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
}


def test_how_images_are_prepared_is_read_from_either_form(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(IMAGES))
    old = Preprocessing.read(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    nested = {"processor_class": "Qwen2_5_VLProcessor", "image_processor": IMAGES}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert Preprocessing.read(tmp_path) == old


def test_of_two_forms_the_one_counts_that_transformers_reads(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(IMAGES | {"patch_size": 16}))
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": IMAGES}))
    assert Preprocessing.read(tmp_path).patch == 14
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "Qwen2_5_VLProcessor"}))
    assert Preprocessing.read(tmp_path).patch == 16


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("preprocessor_config.json", "{", "is damaged"),
        ("processor_config.json", "[]", "is damaged"),
        ("preprocessor_config.json", '{"image_mean": [0.5, 0.5, 0.5]}', "lacks image_std"),
        ("preprocessor_config.json", '{"image_mean": 3}', "cannot be used"),
        ("processor_config.json", "{}", "does not say how to prepare images"),
    ],
)
def test_a_preparation_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=said) as refused:
        Preprocessing.read(tmp_path)
    assert refused.value.remedy


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "merges.txt"])
@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xe4"])
def test_what_transformers_would_misread_is_named(folder: Path, name: str, mark: bytes) -> None:
    text = json.dumps({"model_type": "qwen2_5_vl"})
    data = text.encode("utf-16-le") if mark == b"\xff\xfe" else text.encode()
    (folder / name).write_bytes(mark + data)
    with pytest.raises(ModelError, match=name) as e:
        check_checkpoint(folder)
    assert "UTF-8" in e.value.remedy
