"""int8 features come near those of float32; a detector on them is kept only where its labels are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saec.edge.graph import compile_graph
from saec.edge.training.feature_graph import to_openvino
from saec.edge.training.quantisation import LABEL_CHANGES, check_quantised, quantised
from saec.errors import ParityError

SIDE = 64


class Small(torch.nn.Module):
    """A few layers in place of a backbone, which takes longer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(3, 16, 3, stride=4, padding=1)
        self.second = torch.nn.Conv2d(16, 8, 3, stride=4, padding=1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(((frames.float() - 127) / 128).permute(0, 3, 1, 2)).relu())


@pytest.mark.numeric
def test_int8_features_come_near_those_of_float32() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(4)]
    model = to_openvino(Small().eval(), SIDE, SIDE)
    before = len(model.get_ops())
    made = quantised(model, frames)
    assert len(model.get_ops()) == before
    assert any(op.get_type_name() == "FakeQuantize" for op in made.get_ops())
    plain, low = (compile_graph(m, "f32", 1) for m in (model, made))
    for frame in frames:
        a, b = plain(frame[None])[0], low(frame[None])[0]
        assert a.shape == b.shape
        assert 0 < np.abs(a - b).max() < 0.1 * a.std()


def scores(values: np.ndarray) -> dict[str, float]:
    return {f"{i:03d}": float(v) for i, v in enumerate(values)}


GOODS, DEFECTS = np.linspace(0, 1, 100), np.linspace(0.9, 3, 20)


def test_scores_on_another_scale_are_the_same_labels() -> None:
    plain = scores(GOODS), scores(DEFECTS)
    made = scores(7 * GOODS + 2), scores(7 * DEFECTS + 2)
    (said,) = check_quantised(plain, made, 7 * 0.95 + 2)
    assert "changes the label of 0 of 120 frames" in said
    assert "AUROC from 0.9" in said
    assert check_quantised((plain[0], {}), (made[0], {}), 1e9) == [
        "int8 changes the label of 0 of 100 frames, beside float32 on the same frames"
    ]


def test_other_labels_are_refused() -> None:
    none: dict[str, float] = {}
    shuffled = np.roll(GOODS, int(100 * LABEL_CHANGES) + 1)
    with pytest.raises(ParityError, match="int8 changes the label of") as caught:
        check_quantised((scores(GOODS), none), (scores(shuffled), none), 0.95)
    assert "float32" in caught.value.remedy


def test_defects_that_sink_are_refused() -> None:
    plain, made = (scores(GOODS), scores(DEFECTS)), (scores(GOODS), scores(DEFECTS - 0.4))
    with pytest.raises(ParityError, match="of AUROC"):
        check_quantised(plain, made, 10.0)


def test_few_frames_may_swap_a_pair() -> None:
    plain, made = scores(np.array([0.0, 1, 2, 3])), scores(np.array([0.0, 1, 3, 2]))
    assert "2 of 4 frames" in check_quantised((plain, {}), (made, {}), 2.5)[0]


def test_auroc_counts_pairs() -> None:
    few = scores(np.array([0.0, 1, 2])), scores(np.array([1.0, 3]))
    assert "AUROC from 0.7500 to 0.7500" in check_quantised(few, few, 9.0)[0]
