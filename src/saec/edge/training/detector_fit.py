"""Fit either detector, export it into a profile's folder, and stand ready for the parity gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.edge.detector_kinds import FitChoices
from saec.edge.graph import GRAPH, OPENVINO_TYPES
from saec.edge.preparation import input_size, prepare
from saec.edge.training.fit_records import Fitted, Gated, Goods
from saec.edge.training.size_proposal import propose_size
from saec.edge.yolo import YoloRule, fit_yolo
from saec.errors import ConfigError, DataError, ExtraError
from saec.profile import Detector, Preparation, sha256_file
from saec.settings import FitConfig
from saec.types import Image

if TYPE_CHECKING:
    from saec.edge.training.backbones import Backbone
    from saec.edge.training.patch_fit import PatchFit

MASK, ONNX = "roi.png", "detector.onnx"
LEAST_CELLS = 16
"""Cells of the map below which a region of interest is too small to judge."""

GAIN_WORTH = 0.03
"""Rise of the goods' distances at half the goods, below which more goods would scarcely help."""

Progress = Callable[[str, int, int], None]
DetectorFit = Callable[[Goods, FitConfig, Path, Progress], Fitted]
"""Fits one kind of detector: (goods, config, folder for its files, progress) -> its parts of the profile."""


def patch_fit(*, onnx: bool = False) -> DetectorFit:
    """A fit of the default detector; with ``onnx`` the graph is written as ONNX too.

    The fit raises:
        DataError: too few goods, or a mask that does not fit the frames.
        ModelError: the backbone is unknown or its weights are not installed.
        ExtraError: torch is not installed.
    """

    def fit(goods: Goods, config: FitConfig, folder: Path, progress: Progress) -> Fitted:
        try:
            from saec.edge.training.backbones import load_backbone
        except ModuleNotFoundError as e:  # torch or safetensors: the line itself needs neither
            raise ExtraError(e.name or "torch", "fit") from None
        from saec.edge.training.feature_graph import feature_function, feature_module, tile_side
        from saec.edge.training.patch_fit import fit_patch
        from saec.edge.training.patch_network import PatchNet

        told: list[str] = []

        def tell(said: str) -> None:
            told.append(said)
            progress(said, 0, 1)

        backbone = load_backbone(config.backbone, tell)
        config, proposal = _sized(goods, config, backbone)
        preparation = _preparation(goods, config, 2 * backbone.stride)
        size = (preparation.height, preparation.width)
        mask = _mask(goods, preparation, backbone.stride // 2, folder)
        features = feature_module(backbone, *size, mask, tile_side(config))
        fitted = fit_patch(
            (prepare(frame, preparation) for frame in goods.frames()),
            goods.folds,
            feature_function(features, *size, OPENVINO_TYPES[config.dtype], config.threads, config.device),
            lambda distances, scale: PatchNet(features, distances, scale),
            memory=config.memory_patches,
            seed=config.seed,
            inside=None if mask is None else _cells(mask, backbone.stride // 2),
            progress=progress,
        )
        made = _exported(fitted, goods, config, preparation, folder, onnx)
        return replace(made, notes=[*told, *proposal, *made.notes])

    return fit


def _exported(
    fit: PatchFit, goods: Goods, config: FitConfig, preparation: Preparation, folder: Path, onnx: bool
) -> Fitted:
    from saec.edge.graph import compile_graph, other_arithmetic
    from saec.edge.training.graph_export import check_parity, save_onnx, save_openvino

    size = (preparation.height, preparation.width)
    save_openvino(fit.net, *size, folder / GRAPH)
    if onnx:
        save_onnx(fit.net, *size, folder / ONNX)
    arithmetic = OPENVINO_TYPES[config.dtype]
    graph = compile_graph(folder / GRAPH, arithmetic, config.threads, config.device)

    def score(frame: Image) -> float:
        return float(graph(frame[None])[0][0])

    def gate(threshold: float, defects: Iterable[Image]) -> Gated:
        frames = (prepare(frame, preparation) for frame in chain(goods.frames(), defects))
        parity = check_parity(fit.net, score, frames, threshold)
        notes = [
            "parity: the exported graph and the fitted detector give the same label on "
            f"all {parity.images} calibration images; largest score difference "
            f"{parity.largest:.1e}"
        ]
        if parity.threshold != threshold:
            notes.append(
                f"the threshold was moved from {threshold:.6g} to {parity.threshold:.6g}, "
                "because the score of a calibration image differed from it only by rounding"
            )
        return Gated(notes, parity.threshold)

    names = sorted(path.name for path in folder.iterdir())
    return Fitted(
        preparation=preparation,
        detector=Detector(
            kind="patch",
            backbone=config.backbone,
            precision=OPENVINO_TYPES[config.dtype],
            threads=config.threads,
            device=config.device,
            files={name: sha256_file(folder / name) for name in names},
            params={"memory": float(config.memory_patches), "tiles": float(config.tiles)},
        ),
        scores=fit.scores,
        order=fit.order,
        score=lambda frame: score(prepare(frame, preparation)),
        gate=gate,
        notes=[
            _more_goods(fit.half_gap, goods.count),
            *other_arithmetic(graph, arithmetic),
        ],
    )


def _sized(goods: Goods, config: FitConfig, backbone: Backbone) -> tuple[FitConfig, list[str]]:
    """The settings with the proposed size where the user asks for it, and what is said of it."""
    proposed, said = propose_size(
        config, _judged(goods, config), goods.defect_px, backbone.stride, tiled=not backbone.averaged
    )
    return proposed if config.auto_size else config, [said] if said else []


def _judged(goods: Goods, config: FitConfig) -> tuple[int, int]:
    """Height and width of what is judged of a frame, in its own pixels."""
    if config.roi is None:
        return goods.size
    x0, y0, x1, y1 = config.roi
    return y1 - y0, x1 - x0


def _preparation(goods: Goods, config: FitConfig, multiple: int) -> Preparation:
    height, width = _judged(goods, config)
    height, width = input_size(height, width, config.side_px * config.tiles, multiple)
    mask = goods.roi_mask is not None
    return Preparation(height=height, width=width, roi=config.roi, mask=mask, bits=config.bits)


def _mask(goods: Goods, preparation: Preparation, cell: int, folder: Path) -> NDArray[np.uint8] | None:
    """The region of interest as the graph sees it, height x width, 0..255; it is kept in the profile."""
    if goods.roi_mask is None:
        return None
    mask = cv2.imread(str(goods.roi_mask), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if mask is None:
        raise DataError(f"{goods.roi_mask} is not an image that can be read", "give a mask as PNG")
    if mask.shape[:2] != goods.size:
        raise DataError(
            f"{goods.roi_mask} has {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"but the frames have {goods.size[1]} x {goods.size[0]}",
            "give a mask of the frames' size",
        )
    binary = np.where(mask > 0, 255, 0).astype(np.uint8)
    cv2.imwrite(str(folder / MASK), binary)
    prepared: NDArray[np.uint8] = prepare(np.repeat(binary[..., None], 3, axis=2), preparation)[..., 0]
    count = int(_cells(prepared, cell).sum())
    if count < LEAST_CELLS:
        raise DataError(
            f"the mask {goods.roi_mask} lets only {count} cells of the anomaly map be judged; at least "
            f"{LEAST_CELLS} are needed",
            "give a mask with a larger white area",
        )
    return prepared


def _cells(mask: NDArray[np.uint8], cell: int) -> NDArray[np.bool_]:
    """The cells of the map, so many pixels wide and high, that the mask covers by half."""
    height, width = mask.shape
    inside: NDArray[np.bool_] = (
        cv2.resize(mask, (width // cell, height // cell), interpolation=cv2.INTER_AREA) > 127
    )
    return inside


def _more_goods(half_gap: float | None, count: int) -> str:
    if half_gap is None:
        return "it is unknown whether more good images would help: that needs at least three folds"
    if half_gap > GAIN_WORTH:
        return (
            f"more good images would still help: fitted on half of the {count} images, "
            f"the detector finds unseen good images {half_gap:.1%} more unusual"
        )
    return (
        f"more good images would hardly help: fitted on half of the {count} images, "
        f"the detector finds unseen good images only {max(half_gap, 0.0):.1%} more "
        "unusual"
    )


def yolo_fit(weights: Path, rule: YoloRule) -> DetectorFit:
    """A fit of the seed's detector with those weights; the rule's own threshold stands."""

    def fit(goods: Goods, config: FitConfig, folder: Path, progress: Progress) -> Fitted:
        if goods.roi_mask is not None:
            raise DataError(
                "the YOLO detector has no anomaly map, so it takes no mask", "give a rectangle as the roi"
            )
        made = fit_yolo(
            goods.frames,
            weights,
            folder,
            rule,
            dtype=config.dtype,
            threads=config.threads,
            device=config.device,
            side=config.side_px,
            roi=config.roi,
            bits=config.bits,
        )
        return Fitted(
            preparation=made.preparation,
            detector=made.detector,
            scores=made.scores,
            order=list(range(goods.count)),
            score=made.score,
            gate=lambda threshold, defects: Gated([], threshold),
            notes=[
                "the detector is the published rule of policy seed: the confidence of an ImageNet classifier"
            ],
            threshold=made.threshold,
        )

    return fit


def chosen_patch_fit(choices: FitChoices) -> DetectorFit:
    """The fit of the patch detector, under a user's choices.

    Raises:
        ConfigError: a choice that is the YOLO detector's.
    """
    if choices.yolo is not None:
        raise ConfigError(
            f"the classifier {choices.yolo} is for the detector yolo", "choose that detector, or leave it out"
        )
    if (choices.yolo_smax, choices.yolo_margin, choices.yolo_entropy) != (None, None, None):
        raise ConfigError(
            "yolo_smax, yolo_margin and yolo_entropy are for the detector yolo", "leave them out"
        )
    return patch_fit(onnx=choices.onnx)


def chosen_yolo_fit(choices: FitChoices) -> DetectorFit:
    """The fit of the YOLO detector, under a user's choices.

    Raises:
        ConfigError: no weights, or a choice that is the patch detector's.
    """
    if choices.yolo is None:
        raise ConfigError(
            "the detector yolo needs the file of your classifier",
            "name it (yolo), or choose the detector patch",
        )
    if choices.onnx:
        raise ConfigError(
            "onnx is for the detector patch",
            "leave it out, and convert the YOLO file with `saec models convert`",
        )
    rule = YoloRule(smax=choices.yolo_smax, margin=choices.yolo_margin, ent=choices.yolo_entropy)
    return yolo_fit(choices.yolo, rule)
