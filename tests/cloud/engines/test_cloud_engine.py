from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.data.procedural import draw_product
from saec.data.procedural.product import Product
from saec.errors import AnswerError, ConfigError, ModelError
from saec.prompts import V1
from saec.settings import CloudConfig
from saec.types import CloudQuery
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import noise, query
from tests.helpers_numeric import p_apart, same_opinions

pytestmark = pytest.mark.numeric

CPU: dict[str, Any] = {"dtype": "float32", "device": "cpu"}


def _defect(name: str = "plain") -> tuple[CloudQuery, Product]:
    """A frame with a plain stain, and a good one of the same product."""
    product = draw_product("fabric", 2**31 + 5)
    bad = product.render(3, "stain", 0.1, 224)
    return query(bad.image, product.render(1, size=224).image, name=name), product


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped checkpoint that a test may damage."""
    return shutil.copytree(SMALL, tmp_path / "copy")


def test_the_engine_says_what_it_is(engine: QwenEngine) -> None:
    assert engine.name == "small"
    assert engine.demonstration
    assert engine.prompt == V1.version
    assert len(engine.weights_hash) == 64


def test_a_batch_gives_what_single_calls_give(engine: QwenEngine) -> None:
    queries = [
        query(noise(0)),
        query(noise(1, 300, 200), noise(2)),
        query(noise(3, 120, 500), noise(4)),
        query(noise(5)),
        query(noise(6), noise(7)),
    ]
    together = [o.p_defect for o in engine.judge(queries)]
    alone = [engine.judge([q])[0].p_defect for q in queries]
    same_opinions(engine, together, alone)
    assert len(set(together)) == 5
    assert all(0 <= p <= 1 for p in together)
    assert engine.judge([]) == []


def test_a_reference_changes_the_opinion(engine: QwenEngine) -> None:
    image = noise(0)
    bare, same, other = (
        o.p_defect for o in engine.judge([query(image), query(image, image), query(image, noise(9))])
    )
    assert len({round(p, 6) for p in (bare, same, other)}) == 3


def test_references_beyond_the_settings_are_not_shown(engine: QwenEngine) -> None:
    few = engine.judge([query(noise(0), noise(1))])[0]
    many = engine.judge([query(noise(0), noise(1), noise(2))])[0]
    assert few == many


def test_it_tells_plain_defects_from_goods(engine: QwenEngine) -> None:
    bad, product = _defect()
    good = query(product.render(7, size=224).image, *bad.references)
    opinions = engine.judge([good, bad])
    assert opinions[0].p_defect < 0.5 < opinions[1].p_defect
    assert opinions[0].model == "small"


def test_an_explanation_names_kind_and_keeps_the_box(engine: QwenEngine) -> None:
    bad, _ = _defect()
    (said,) = engine.explain([bad])
    assert said.kind == "stain"
    assert "stain" in said.description
    assert said.box == bad.focus


def test_explaining_a_batch_says_what_single_calls_say(engine: QwenEngine) -> None:
    bad, product = _defect()
    other = query(product.render(4, "hole", 0.1, 224).image)
    assert engine.explain([bad, other]) == [engine.explain([bad])[0], engine.explain([other])[0]]


def test_an_answer_that_does_not_parse_names_its_frame(
    engine: QwenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_write", lambda asks, **_: ["a scratch, I think" for _ in asks])
    with pytest.raises(AnswerError, match=r"^frame-7: "):
        engine.explain([query(noise(0), name="frame-7")])


def test_threads_get_their_own_answers(engine: QwenEngine) -> None:
    queries = [query(noise(i)) for i in range(3)]
    expected = [engine.judge([q])[0].p_defect for q in queries]
    got: dict[int, float] = {}

    def ask(i: int) -> None:
        got[i] = engine.judge([queries[i]])[0].p_defect

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same_opinions(engine, [got[i] for i in range(3)], expected)


def test_a_tensor_that_is_missing_or_too_many_is_no_warning_but_an_error(copy: Path) -> None:
    part = sorted(copy.glob("*.safetensors"))[0]
    (copy / "model.safetensors.index.json").unlink()
    tensors: dict[Any, Any] = {}
    for path in sorted(copy.glob("*.safetensors")):
        tensors |= load_file(path)
        path.unlink()
    name = next(k for k in tensors if "down_proj" in k)
    save_file({k: v for k, v in tensors.items() if k != name}, copy / "model.safetensors", {"format": "pt"})
    assert not part.exists()
    with pytest.raises(ModelError, match="do not match"):
        open_engine(CloudConfig(model=str(copy), **CPU))


def test_a_cut_off_weight_file_is_a_model_error(copy: Path) -> None:
    part = sorted(copy.glob("*.safetensors"))[0]
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_engine(CloudConfig(model=str(copy), **CPU))


def test_a_missing_adapter_never_means_the_base_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="adapter"):
        open_engine(CloudConfig(model="small", adapter=str(tmp_path / "none"), **CPU))


def test_no_such_device_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="device"):
        open_engine(CloudConfig(model="small", device="abacus"))


@pytest.mark.parametrize(
    "setting", [{"batch": 0}, {"references": -1}, {"side_px": 10}, {"views": 0}, {"views": 9}]
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        open_engine(CloudConfig(model="small", **setting, **CPU))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="no CUDA device"):
        open_engine(CloudConfig(model="small", device="cuda"))


def _adapter(engine: QwenEngine, folder: Path) -> None:
    """A LoRA on the language model's attention whose B is not zero, saved by peft."""
    from copy import deepcopy

    from peft import LoraConfig, get_peft_model

    targets = r"model\.language_model\.layers\.\d+\.self_attn\.(q|v)_proj"
    adapted = get_peft_model(deepcopy(engine.model), LoraConfig(r=4, target_modules=targets))
    generator = torch.Generator().manual_seed(0)
    for name, p in adapted.named_parameters():
        if "lora_B" in name:
            p.data = torch.randn(p.shape, generator=generator) * 1.0
    adapted.save_pretrained(folder)


def test_an_adapter_is_applied_and_leaves_no_trace_when_unloaded(engine: QwenEngine, tmp_path: Path) -> None:
    _adapter(engine, tmp_path / "lora")
    asked = [query(noise(0), noise(1))]
    base = engine.judge(asked)[0].p_defect
    with_it = open_engine(CloudConfig(model="small", adapter=str(tmp_path / "lora"), **CPU))
    assert abs(with_it.judge(asked)[0].p_defect - base) > p_apart(engine)
    assert with_it.weights_hash != engine.weights_hash
    assert with_it.name.startswith("small+")
    with_it._adapter = None
    same_opinions(engine, with_it.judge(asked)[0].p_defect, base)
    with_it._adapter = "adapter"
    with_it.core.model = with_it.core.model.unload()
    with_it.core.fast = None  # transformers' own pass, which adds up in another order
    same_opinions(engine, with_it.judge(asked)[0].p_defect, base)


def test_an_adapter_of_another_model_is_refused(engine: QwenEngine, tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    _adapter(engine, folder)
    path = folder / "adapter_model.safetensors"
    weights = {k.replace("layers.0.", "layers.40."): v for k, v in load_file(path).items()}
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.40\."):
        open_engine(CloudConfig(model="small", adapter=str(folder), **CPU))


@pytest.mark.parametrize("dtype", ["bfloat16", "fp8", "4bit"])
def test_fewer_bits_give_nearly_the_same_opinion(
    engine: QwenEngine, dtype: Literal["bfloat16", "fp8", "4bit"]
) -> None:
    bad, product = _defect()
    asked = [bad, query(product.render(7, size=224).image, *bad.references)]
    exact = [o.p_defect for o in engine.judge(asked)]
    fewer = open_engine(CloudConfig(model="small", dtype=dtype, device="cpu"))
    np.testing.assert_allclose([o.p_defect for o in fewer.judge(asked)], exact, rtol=0, atol=0.1)
    assert fewer.explain([bad])[0].kind == engine.explain([bad])[0].kind


def test_a_stream_of_queries_is_judged_in_order_and_taken_only_as_needed(engine: QwenEngine) -> None:
    taken = []

    def source() -> Iterator[CloudQuery]:
        for n in range(200):
            taken.append(n)
            yield query(noise(n % 3))

    found = [o.p_defect for _, o in zip(range(4), engine.judge_each(source()), strict=False)]
    alone = [engine.judge([query(noise(n))])[0].p_defect for n in range(3)]
    same_opinions(engine, found, [*alone, alone[0]])
    assert len(taken) < 100
