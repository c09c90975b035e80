"""The fast pass against transformers' own: the same numbers, for any shape, batch, prefix and adapter."""

from __future__ import annotations

import dataclasses
import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from saec.cloud.engines.qwen_forward import QwenModel
from saec.cloud.fast.attention import Past
from saec.cloud.fast.cuda_graphs import Graphs
from saec.cloud.fast.layout import PassLayout, make_windows
from saec.cloud.fast.model import FastModel, PrefixUse
from saec.cloud.fast.ops import Linear, apply, entering, quantized
from saec.cloud.fast.packing import Layer
from saec.cloud.questions.chat_template import scoring_text
from saec.cloud.questions.conversation import Prepared
from saec.prompts import V1
from saec.rounding import apart
from saec_research.small_model import FOLDER as SMALL
from tests.helpers_numeric import same_logits

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def core() -> QwenModel:
    return QwenModel(SMALL, {}, CPU, torch.float32)


def _talk(core: QwenModel, seed: int, references: int = 1, size: tuple[int, int] = (240, 240)) -> Prepared:
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(references + 1)]
    return core.prepare(scoring_text(V1, references), images)


def _plain(core: QwenModel, talks: list[Prepared], adapter: str | None = None) -> torch.Tensor:
    return torch.cat([core.logits([talk], adapter=adapter)[0][:, -1] for talk in talks])


@settings(max_examples=12, deadline=None)
@given(
    references=st.integers(0, 2),
    rows=st.integers(1, 11),
    columns=st.integers(1, 11),
    seed=st.integers(0, 99),
)
def test_it_gives_the_logits_of_transformers_for_any_shape(
    core: QwenModel, references: int, rows: int, columns: int, seed: int
) -> None:
    talk = _talk(core, seed, references, (core.unit * rows, core.unit * columns))
    ours = core.fast.submit([talk]).result()
    same_logits(core, ours, _plain(core, [talk]))


def test_a_mixed_batch_gives_what_single_calls_give(core: QwenModel) -> None:
    talks = [
        _talk(core, 0),
        _talk(core, 1, 0),
        _talk(core, 2, 1, (120, 320)),
        _talk(core, 0),
        _talk(core, 3),
    ]
    together = core.fast.submit(talks).result()
    alone = torch.cat([core.fast.submit([talk]).result() for talk in talks])
    same_logits(core, together, alone)
    same_logits(core, together, _plain(core, talks))


def test_frames_with_references_of_their_own_are_computed_together(
    core: QwenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = [_talk(core, seed, 2) for seed in (11, 12, 13, 11)]
    fresh = FastModel(core.model, core._preprocessing, torch.float32)
    calls = []
    run = FastModel._run

    def counted(
        self: FastModel, layout: PassLayout, images: torch.Tensor, past: list[Past], adapter: None
    ) -> torch.Tensor:
        calls.append(len(images))
        return run(self, layout, images, past, adapter)

    monkeypatch.setattr(FastModel, "_run", counted)
    for _ in range(2):  # the second time from the cache
        same_logits(core, fresh.submit(talks).result(), _plain(core, talks))
    assert calls == [2, 2, 2, 2]


def test_small_batches_are_filled_up_and_large_ones_recorded_when_they_come_again() -> None:
    graphs = Graphs(CPU)
    assert [graphs.size("a", n) for n in (1, 3, 8)] == [1, 4, 8]
    assert [graphs.size("a", 24) for _ in range(4)] == [None, None, 24, 24]
    assert graphs.size("b", 24) is None  # another shape is another recording
    assert [graphs.size("a", 23) for _ in range(9)] == [None] * 9


def test_a_cached_prefix_gives_what_a_fresh_one_gives(core: QwenModel) -> None:
    talks = [_talk(core, 7, 2), _talk(core, 8, 2)]
    fresh = FastModel(core.model, core._preprocessing, torch.float32)
    first = fresh.submit(talks).result()
    assert len(fresh._prefixes) == 2
    torch.testing.assert_close(fresh.submit(talks).result(), first, rtol=0, atol=0)
    assert len(fresh._prefixes) == 2
    assert fresh.use == PrefixUse(found=2, computed=2)
    fresh.submit([talks[0], talks[0], _talk(core, 9, 2)]).result()
    assert fresh.use == PrefixUse(found=4, computed=3)


def test_prefixes_that_are_long_gone_are_computed_again(
    core: QwenModel,
) -> None:
    fresh = FastModel(core.model, core._preprocessing, torch.float32, prefixes=1)
    talks = [_talk(core, 7), _talk(core, 8)]
    first = fresh.submit(talks).result()
    assert len(fresh._prefixes) == 1
    same_logits(core, fresh.submit(talks).result(), first)


def test_two_tokens_have_the_logits_that_all_tokens_have(core: QwenModel) -> None:
    talks = [_talk(core, 3)]
    whole = core.fast.submit(talks).result()
    some = core.fast.submit(talks, torch.tensor([5, 2])).result()
    head = core.model.lm_head.weight.detach()[[5, 2]]
    state = core.model.model.language_model.norm.weight.detach().abs().max() * math.sqrt(head.shape[1])
    allowed = apart(head.shape[1], float(state * head.norm(dim=1).max()))  # one product, of the same state
    torch.testing.assert_close(some, whole[:, [5, 2]], rtol=0, atol=allowed)
    assert (some - whole[:, [2, 5]]).abs().min() > 100 * allowed


@pytest.mark.parametrize("fault", ["a bias is dropped", "positions are off by one"])
def test_a_real_fault_is_far_beyond_what_rounding_explains(core: QwenModel, fault: str) -> None:
    talks = [_talk(core, 3), _talk(core, 4)]
    broken = FastModel(core.model, core._preprocessing, torch.float32)
    broken.submit(talks).result()
    if fault == "a bias is dropped":
        layers = cast("list[Layer]", broken._of(None).layers)
        layers[5] = layers[5]._replace(qkv=layers[5].qkv._replace(bias=None))
    else:
        for shape, layout in broken._layouts.items():
            moved = tuple(part.roll(1, -2) for part in layout.suffix_rotations)
            broken._layouts[shape] = dataclasses.replace(layout, suffix_rotations=moved)
    with pytest.raises(AssertionError, match="times what rounding explains"):
        same_logits(core, broken.submit(talks).result(), _plain(core, talks))


def _adapted(targets: str, **settings_: bool) -> QwenModel:
    core = QwenModel(SMALL, {}, CPU, torch.float32)
    core.model = get_peft_model(
        core.model, LoraConfig(r=4, target_modules=targets, **settings_), "one"
    ).eval()
    generator = torch.Generator().manual_seed(0)
    for name, p in core.model.named_parameters():
        if "lora_B" in name:
            p.data = torch.randn(p.shape, generator=generator) * 0.3
    core._active = "one"
    return core


@pytest.mark.parametrize(
    "targets",
    [
        r".*\.language_model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj|.*\.visual\.merger\.mlp\.(0|2)",
        r".*\.(q_proj|up_proj|down_proj)|.*\.visual\.blocks\.\d+\.attn\.(qkv|proj)",
    ],
)
def test_an_adapter_has_the_effect_that_it_has_in_peft(core: QwenModel, targets: str) -> None:
    adapted = _adapted(targets)
    talks = [_talk(core, 4), _talk(core, 5)]
    with_it = adapted.submit(talks, adapter="one").result()
    without = adapted.submit(talks, adapter=None).result()
    same_logits(core, with_it, _plain(adapted, talks, "one"))
    same_logits(core, without, _plain(core, talks))
    assert (with_it - without).abs().max() > 0.01


def test_an_adapter_that_is_more_than_low_rank_takes_the_plain_pass(core: QwenModel) -> None:
    adapted = _adapted(r".*\.q_proj", use_dora=True)
    assert adapted.fast is None
    talks = [_talk(core, 4)]
    same_logits(core, adapted.submit(talks, adapter="one").result(), _plain(adapted, talks, "one"))


def test_words_are_written_as_before_the_weights_were_packed(core: QwenModel) -> None:
    fresh = QwenModel(SMALL, {}, CPU, torch.float32)
    talk = _talk(core, 6)
    before = fresh.write([talk], tokens=12)
    fresh.submit([talk]).result()
    assert fresh.fast is not None
    assert fresh.write([talk], tokens=12) == before


def test_a_model_that_was_asked_can_still_be_trained(core: QwenModel) -> None:
    fresh = QwenModel(SMALL, {}, CPU, torch.float32)
    talk = _talk(core, 6, 0, (60, 60))
    fresh.submit([talk]).result()
    loss = fresh.model(**fresh.inputs([talk]), use_cache=False).logits[:, -1].logsumexp(-1).sum()
    loss.backward()
    gate = fresh.model.model.language_model.layers[0].mlp.gate_proj.weight
    assert gate.grad is not None
    assert gate.grad.abs().max() > 0


@given(rows=st.integers(1, 13), columns=st.integers(1, 13))
@settings(max_examples=40, deadline=None)
def test_windows_hold_every_patch_once_and_come_back_in_order(
    core: QwenModel, rows: int, columns: int
) -> None:
    windows = make_windows(core.model.model.visual, (1, 2 * rows, 2 * columns), CPU)
    assert sorted(windows.order.tolist()) == list(range(4 * rows * columns))
    assert sum(count * size for count, size in windows.shapes) == 4 * rows * columns
    units = windows.order[::4][windows.back]
    assert torch.equal(units, torch.sort(units).values)


def test_eight_bits_are_near_and_labels_stay(core: QwenModel) -> None:
    plain, small = core.fast, FastModel(core.model, core._preprocessing, torch.float32, fp8=True)
    talks = [_talk(core, n) for n in range(6)]
    exact, rounded = (model.submit(talks).result().softmax(-1) for model in (plain, small))
    assert 0 < (exact - rounded).abs().max() < 0.1
    assert torch.equal(exact.argmax(-1), rounded.argmax(-1))


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_product_in_eight_bits_is_right_to_a_few_percent(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight = (torch.randn(shape, generator=generator) for shape in ((5, 64), (32, 64)))
    values, scales = quantized(weight)
    layer = Linear(values, torch.ones(32), scales.T)
    ours = apply(entering(x, layer), layer)
    exact = x @ weight.T + 1
    assert (ours - exact).norm() / exact.norm() < 0.05
