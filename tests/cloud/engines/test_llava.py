"""The LLaVA engine on a tiny checkpoint with random weights; the code path is the true model's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saec.cloud import open_engine
from saec.cloud.engines.llava import LlavaEngine, llava_scoring_text
from saec.cloud.questions.ensemble import asks_of
from saec.cloud.questions.token_layout import encode
from saec.errors import AnswerError, ConfigError, ModelError
from saec.prompts import LLAVA_V1, PROMPTS
from saec.settings import CloudConfig, Spending
from tests.cloud.helpers_cloud import noise, query
from tests.cloud.tiny_llava import PATCH, SIDE, write_tiny_llava
from tests.helpers_numeric import p_apart, same_opinions

pytestmark = pytest.mark.numeric

CPU: dict[str, Any] = {"dtype": "float32", "device": "cpu", "references": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llava(tmp_path_factory.mktemp("models") / "tiny-llava")


@pytest.fixture(scope="module")
def opened(folder: Path) -> Callable[..., Any]:
    """Engines by their settings, each loaded once."""
    engines = {}

    def get(**settings: Any) -> LlavaEngine:
        key = tuple(sorted(settings.items()))
        if key not in engines:
            opened = open_engine(CloudConfig(model=str(folder), **CPU, **settings))
            assert isinstance(opened, LlavaEngine)
            engines[key] = opened
        return engines[key]

    return get


def test_the_conversation_is_llavas_own_and_says_which_label_is_the_defect() -> None:
    text = llava_scoring_text()
    assert text.startswith("<s>USER: <image>\n")
    assert text.endswith(" ASSISTANT: ")
    assert "0 means good, 1 means defect" in text
    assert text.count("<image>") == 1
    assert LLAVA_V1.version not in PROMPTS  # those are Qwen's, and --prompt chooses among them


def test_the_engine_says_what_it_is(opened: Callable[..., Any], folder: Path) -> None:
    engine = opened()
    assert engine.name == str(folder)
    assert engine.prompt == "llava-v1"
    assert engine.side == SIDE
    assert not engine.demonstration
    assert len(engine.weights_hash) == 64


def test_it_says_what_transformers_own_forward_pass_says(opened: Callable[..., Any]) -> None:
    engine = opened()
    image = noise(0, SIDE, SIDE)
    (said,) = engine.judge([query(image)])
    head, tail = (encode(engine._tokenizer, part) for part in llava_scoring_text().split("<image>"))
    ids = [*head, *[engine._image_id] * (SIDE // PATCH) ** 2, *tail]
    pixels = (image / 255 - np.array([0.48, 0.46, 0.41])) / np.array([0.27, 0.26, 0.28])
    with torch.inference_mode():
        logits = engine.model(
            input_ids=torch.tensor([ids]),
            pixel_values=torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        ).logits[0, -1]
    pair = [logits[encode(engine._tokenizer, label)[0]] for label in ("0", "1")]
    same_opinions(engine, said.p_defect, float(torch.softmax(torch.stack(pair), 0)[1]))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"side_px": 2 * SIDE},
        {"side_px": SIDE, "scoring": "rank"},
        {"views": 4},
        {"scoring": "rank", "side_px": 2 * SIDE, "views": 2},
    ],
    ids=str,
)
def test_a_batch_gives_what_single_calls_give(
    opened: Callable[..., Any], settings: dict[str, int | int | str]
) -> None:
    engine = opened(**settings, batch=3)
    queries = [query(noise(i, 60 + 30 * i, 150 - 20 * i)) for i in range(4)]
    together = [o.p_defect for o in engine.judge(queries)]
    alone = [engine.judge([q])[0].p_defect for q in queries]
    same_opinions(engine, together, alone)
    assert len(set(together)) == 4
    assert all(0 <= p <= 1 for p in together)
    assert engine.judge([]) == []


def test_another_side_is_seen_as_more_patches(opened: Callable[..., Any]) -> None:
    image = noise(3, 120, 120)
    assert opened(side_px=2 * SIDE).side == 2 * SIDE
    assert opened(side_px=2 * SIDE + 5).side == 2 * SIDE  # whole patches
    small, large = (opened(side_px=s).judge([query(image)])[0].p_defect for s in (SIDE, 2 * SIDE))
    assert abs(small - large) > p_apart(opened())


def test_nothing_of_a_strip_is_cut_off(opened: Callable[..., Any]) -> None:
    strip = noise(1, 40, 400)
    changed = strip.copy()
    changed[:, :30] = 255
    before, after = (opened().judge([query(image)])[0].p_defect for image in (strip, changed))
    assert abs(before - after) > p_apart(opened())


def test_five_crops_look_at_corners_and_centre_alone(opened: Callable[..., Any]) -> None:
    engine = opened(scoring="rank")
    image = noise(1, 5 * SIDE, 5 * SIDE)
    outside, inside = image.copy(), image.copy()
    outside[: SIDE // 2, 2 * SIDE : 3 * SIDE] = 0
    inside[-SIDE // 2 :, -SIDE // 2 :] = 0
    ps = [engine.judge([query(i)])[0].p_defect for i in (image, outside, inside)]
    same_opinions(engine, ps[0], ps[1])
    assert abs(ps[0] - ps[2]) > p_apart(engine)


def test_strict_generation_writes_two_tokens_and_takes_labels_alone(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(scoring="generate")
    asked = []

    def generate(**inputs: Any) -> torch.Tensor:
        asked.append(inputs["generation_config"])
        ids = encode(engine._tokenizer, " 1" if len(asked) == 1 else " d")
        return torch.tensor([ids] * len(inputs["inputs_embeds"]))

    monkeypatch.setattr(engine.model, "generate", generate)
    assert [o.p_defect for o in engine.judge([query(noise(0)), query(noise(1))])] == [1.0, 1.0]
    assert (asked[0].max_new_tokens, asked[0].do_sample) == (2, False)
    with pytest.raises(AnswerError, match=r"^frame-7: "):
        engine.judge([query(noise(0), name="frame-7")])


def test_it_writes_greedily(opened: Callable[..., Any]) -> None:
    engine = opened(scoring="generate")
    asks = asks_of(query(noise(0)), engine._plan)
    with torch.inference_mode():
        logits = engine.model(**engine._inputs(asks, llava_scoring_text())).logits[0, -1]
    (said,) = engine._write(asks, text=llava_scoring_text(), tokens=2)
    assert 1 <= len(said) <= 2
    assert said[0] == engine._tokenizer.decode(logits.argmax())


def test_an_explanation_that_does_not_parse_names_its_frame(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    with pytest.raises(AnswerError, match=r"^frame-9: "):
        engine.explain([query(noise(0), name="frame-9")])
    words = '{"kind": "scratch", "description": "A scratch."}'
    monkeypatch.setattr(engine, "_write", lambda asks, **_: [words for _ in asks])
    (said,) = engine.explain([query(noise(0))])
    assert (said.kind, said.box) == ("scratch", (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"references": 1}, "one image"),
        ({"batch": 0}, "out of range"),
        ({"side_px": 10}, "out of range"),
        ({"views": 9}, "out of range"),
        ({"prompt": "v1"}, "llava-v1"),
        ({"spending": Spending(rule="crop")}, "spending rule whole"),
    ],
)
def test_what_it_cannot_follow_is_refused(folder: Path, settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        open_engine(CloudConfig(model=str(folder), **(CPU | settings)))


def test_the_original_repository_is_refused_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="original format") as e:
        open_engine(CloudConfig(model="liuhaotian/llava-v1.5-7b", **CPU))
    assert "llava-hf/llava-1.5-7b-hf" in e.value.remedy


def test_a_folder_of_the_original_form_is_refused(tmp_path: Path) -> None:
    config = {"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"], "mm_vision_tower": "clip"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ModelError, match="original format"):
        open_engine(CloudConfig(model=str(tmp_path), **CPU))


def test_a_checkpoint_without_image_processor_says_so(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="image processor"):
        open_engine(CloudConfig(model=str(copy), **CPU))
