"""Our GPU kernels against the plain operations that they stand for; on a CPU by Triton's interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers_numeric import same_logits

ON_GPU = torch.cuda.is_available()
pytest.importorskip("triton", reason="needs Triton, also without a GPU: pip install triton")

from torch._dynamo.testing import CompileCounter  # noqa: E402  imports Triton

from saec.cloud.engines.qwen_forward import QwenModel  # noqa: E402
from saec.cloud.fast import attention, attention_kernels, ops, product_kernels, row_kernels  # noqa: E402
from saec.cloud.questions.chat_template import scoring_text  # noqa: E402
from saec.prompts import V1  # noqa: E402
from saec.rounding import apart  # noqa: E402
from saec_research.small_model import FOLDER as SMALL  # noqa: E402

DEVICE = torch.device("cuda" if ON_GPU else "cpu")
DTYPE = torch.bfloat16 if ON_GPU else torch.float32
ARITHMETIC: Literal["float32", "bfloat16"] = "bfloat16" if ON_GPU else "float32"
SEEDS = st.integers(0, 999)


@pytest.fixture(autouse=True)
def plain_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected values come from the plain operations, on a GPU too."""
    monkeypatch.setattr(attention, "fused", lambda x: False)


@pytest.fixture(scope="module")
def hopper() -> Iterator[pytest.MonkeyPatch]:
    """Tiles are copied by the hardware, which the interpreter does on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        if not ON_GPU:
            patch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
        yield patch


def _made(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(DEVICE, DTYPE) for shape in shapes]


def _angles(seed: int, places: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    (half,) = _made(seed, (places, width // 2))
    angles = torch.cat((half, half), -1).float()
    return angles.cos(), angles.sin()


def _close_in_eight_bits(
    ours: tuple[torch.Tensor, torch.Tensor], plain: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """Equal but for ties and the last bit of a sum: a step of e4m3 is an eighth of a value at most.

    Triton's interpreter (3.6 to 3.9) loses a rounding's carry into the exponent, which a sixteenth of all
    values have; a GPU does not.
    """
    values, scales = ours
    torch.testing.assert_close(scales, plain[1], rtol=apart(8, 1.0, ARITHMETIC), atol=1e-9)
    product, expected = values.float() * scales, plain[0].float() * plain[1]
    off = (product - expected).abs() > 0.13 * expected.abs() + 0.01 * scales
    assert off.float().mean() <= (0 if ON_GPU else 0.25)


def _attention_apart(entering: torch.Tensor, width: int, places: int) -> float:
    """Scores are sums over a head's width; their softmax weighs values by them, over all places."""
    largest = float(entering.float().abs().max())
    score = apart(width, largest**2 * width**0.5) + apart(4, largest**2, ARITHMETIC)
    return largest * (2 * score + apart(places, 1.0) + apart(4, 1.0, ARITHMETIC))


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 5), width=st.integers(60, 700), seed=SEEDS)
def test_rows_are_normed_and_rounded_as_by_plain_operations(rows: int, width: int, seed: int) -> None:
    x, delta, weight = _made(seed, (rows, width), (rows, width), (width,))
    total, normed = row_kernels.norm_rows(x, delta, weight, 1e-6)
    expected = ops.norm(x + delta, weight, 1e-6)
    torch.testing.assert_close(total, x + delta)
    # The sum of squares is kept in float32; what enters, the root and the product are rounded.
    allowed = apart(width, 1.0) + apart(4, 1.0, ARITHMETIC)
    torch.testing.assert_close(normed, expected, rtol=allowed, atol=1e-6)
    total, values, scales = row_kernels.norm_rounded_rows(x, delta, weight, 1e-6)
    torch.testing.assert_close(total, x + delta)
    _close_in_eight_bits((values, scales), ops.quantized(expected))
    _close_in_eight_bits(row_kernels.quantize_rows(x), ops.quantized(x))


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 4), width=st.integers(60, 700), seed=SEEDS)
def test_rows_are_gated_as_by_plain_operations(rows: int, width: int, seed: int) -> None:
    (y,) = _made(seed, (rows, 2 * width))
    gate, up = y.chunk(2, -1)
    expected = ops.quantized(torch.nn.functional.silu(gate) * up)
    _close_in_eight_bits(row_kernels.gate_rows(y), expected)


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(1, 300),
    width=st.sampled_from([16, 80, 144]),
    inner=st.sampled_from([16, 144, 272]),
    biased=st.booleans(),
    at_once=st.booleans(),
    seed=SEEDS,
)
def test_products_are_gated_as_by_plain_operations(
    hopper: pytest.MonkeyPatch, rows: int, width: int, inner: int, biased: bool, at_once: bool, seed: int
) -> None:
    hopper.setattr(product_kernels, "_MANY", 1 if at_once else rows + 1)
    x, weight, bias = _made(seed, (rows, width), (2 * inner, width), (2 * inner,))
    added = bias if biased else None
    gate, up = torch.nn.functional.linear(x, weight, added).chunk(2, -1)
    expected = torch.nn.functional.silu(gate) * up
    # Sums in float32, of which silu and the gate keep what the model's arithmetic holds.
    sums = x.float().abs() @ weight.float().abs().T + (0 if bias is None or added is None else bias.abs())
    error = sums * (apart(width + 1, 1.0) + apart(2, 1.0, ARITHMETIC))
    gate_error, up_error = error.chunk(2, -1)
    allowed = 1.1 * gate_error * (up.abs() + up_error) + gate.abs() * up_error
    off = (product_kernels.gated_product(x, weight, added) - expected).abs()
    assert (off <= allowed + apart(4, 1.0, ARITHMETIC) * expected.abs()).all()


def test_one_compilation_of_a_gated_product_serves_batches_of_any_size(hopper: pytest.MonkeyPatch) -> None:
    hopper.setattr(product_kernels, "_MANY", 5)
    (weight,) = _made(0, (32, 16))
    compiled = CompileCounter()
    product = torch.compile(
        lambda x: product_kernels.gated_product(x, weight, None),
        fullgraph=True,
        dynamic=False,
        backend=compiled,
    )
    for rows in (3, 4, 7):
        (x,) = _made(rows, (rows, 16))
        torch._dynamo.maybe_mark_dynamic(x, 0)
        torch.testing.assert_close(product(x), product_kernels.gated_product(x, weight, None))
    assert compiled.frame_count == 1


def test_a_row_of_zeros_stays_zero() -> None:
    values, scales = row_kernels.quantize_rows(torch.zeros(2, 40, device=DEVICE, dtype=DTYPE))
    assert not values.float().any()
    assert (scales > 0).all()


@settings(max_examples=15, deadline=None)
@given(
    images=st.integers(1, 2),
    shapes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 64)), min_size=1, max_size=3),
    heads=st.integers(1, 3),
    width=st.sampled_from([16, 80]),
    seed=SEEDS,
)
def test_windows_are_attended_to_as_by_plain_operations(
    images: int, shapes: list[tuple[int, int]], heads: int, width: int, seed: int
) -> None:
    places = sum(count * size for count, size in shapes)
    (qkv,) = _made(seed, (images, places, 3, heads, width))
    cos, sin = _angles(seed, places, width)
    expected = attention.within_windows(qkv, cos, sin, tuple(shapes))
    out, at = torch.full((images, places, heads, width), torch.nan, device=DEVICE, dtype=DTYPE), 0
    for count, size in shapes:
        attention_kernels.window_attention(qkv, cos, sin, count, size, at, out)
        at += count * size
    torch.testing.assert_close(out.flatten(2), expected, rtol=0, atol=_attention_apart(qkv, width, places))


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    shared=st.booleans(),
    places=st.integers(1, 70),
    earlier=st.integers(1, 130),
    pairs=st.integers(1, 2),
    group=st.integers(1, 7),
    seed=SEEDS,
)
def test_what_is_new_is_attended_to_behind_a_prefix_as_by_plain_operations(
    batch: int, shared: bool, places: int, earlier: int, pairs: int, group: int, seed: int
) -> None:
    heads = attention.Heads(pairs * group, pairs, 32, 1e-6)
    before = (1 if shared else batch, pairs, earlier, heads.width)
    qkv, keys, values = _made(seed, (batch, places, heads.queries + 2 * pairs, heads.width), before, before)
    cos, sin = _angles(seed, places, heads.width)
    expected, own = attention.behind(qkv, cos, sin, attention.Past(keys, values), heads)
    ours = attention_kernels.prefix_attention(qkv, own.keys, keys, values, cos, sin)
    allowed = _attention_apart(
        torch.cat((qkv.flatten(), keys.flatten(), values.flatten())), 32, places + earlier
    )
    torch.testing.assert_close(ours.flatten(2), expected, rtol=0, atol=allowed)


@pytest.mark.skipif(ON_GPU, reason="on a GPU every load compares the two passes itself")
def test_a_whole_pass_with_kernels_gives_the_logits_of_transformers(
    hopper: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "fused", lambda x: True)
    monkeypatch.setattr(ops, "fused", lambda x: True)
    monkeypatch.setattr(product_kernels, "_MANY", 1)
    core = QwenModel(SMALL, {}, DEVICE, DTYPE)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 80, 120, 3), dtype=np.uint8)
    talks = [core.prepare(scoring_text(V1, 1), [images[n], images[3]]) for n in (0, 1, 0, 2)]
    ours = core.fast.submit(talks).result()
    plain = torch.cat([core.logits([talk])[0][:, -1] for talk in talks])
    same_logits(core, ours, plain)
