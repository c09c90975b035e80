"""``saec tune``: fine-tune a cloud's model on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.tune.tuning_settings import TuneConfig

if TYPE_CHECKING:
    from saec.tune.adapter_card import AdapterCard

_D = TuneConfig()
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, path_type=Path)
_OUT = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command()
@click.option("--data", type=_FOLDER, required=True, help="Folder that `saec data sft` made.")
@click.option("--base", default=_D.base, show_default=True, metavar="small|PATH|NAME",
              help="The checkpoint that ships, a checkpoint's folder, or its hub name.")  # fmt: skip
@click.option("--out", type=_OUT, required=True, help="Folder of the adapter.")
@click.option("--4bit", "four_bit", is_flag=True, help="Hold the base's language model in 4-bit NF4 (QLoRA).")
@click.option("--rank", type=_COUNT, default=_D.rank, show_default=True, help="Of the adapter's matrices.")
@click.option("--alpha", type=_COUNT, default=_D.alpha, show_default=True,
              help="The adapter is scaled by alpha / rank.")  # fmt: skip
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=_D.dropout, show_default=True,
              help="Share of the adapter's inputs that are left out at random.")  # fmt: skip
@click.option("--epochs", type=_COUNT, default=_D.epochs, show_default=True,
              help="An epoch has as many images as the data, goods and defects in turn.")  # fmt: skip
@click.option("--batch", type=_COUNT, default=_D.batch, show_default=True, help="Images computed at once.")
@click.option("--accumulation", type=_COUNT, default=_D.accumulation, show_default=True,
              help="Batches to a step.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=_D.rate, show_default=True,
              help="Learning rate at its peak; it falls along a cosine.")  # fmt: skip
@click.option("--warm-up", type=click.FloatRange(0, 1, max_open=True), default=_D.warm_up, show_default=True,
              help="Share of the steps over which the rate rises.")  # fmt: skip
@click.option("--references", type=click.IntRange(min=0), default=_D.references, show_default=True,
              help="Good images of the training data shown before each image.")  # fmt: skip
@click.option("--recompute", is_flag=True, help="Keep no activations: less memory, more time.")
@click.option("--save-every", type=_COUNT, default=_D.save_every, show_default=True,
              help="Steps after which the state is saved.")  # fmt: skip
@click.option("--decoders", type=_COUNT, default=_D.decoders, show_default=True,
              help="Threads that read images.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=_D.seed, show_default=True)
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16"]), default=_D.dtype,
              show_default=True, help="auto is bfloat16 on a GPU and float32 on a CPU.")  # fmt: skip
@click.option("--device", default=_D.device, show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--holdout", type=_FILE, multiple=True,
              help="Manifest whose hold-out images must not be tuned on; repeatable.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on where an interrupted run was last saved.")
@click.option("--merge", type=_OUT, help="Also write base and adapter as one checkpoint to this folder.")
def command(
    data: Path, out: Path, holdout: Sequence[Path], resume: bool, merge: Path | None, **settings: Any
) -> None:
    """Make an adapter (LoRA) of a Qwen2.5-VL from instruction data.

    Only the language model's attention and the projector are adapted; the loss is that of the label alone.
    The weights of the epoch that judges val.jsonl best are kept.

    \b
    saec data sft --src mvtec --out sft --exclude-holdout holdout/manifest.json
    saec tune --data sft --base Qwen/Qwen2.5-VL-7B-Instruct --4bit --holdout holdout/manifest.json \\
        --out adapters/mvtec
    """
    from importlib.util import find_spec

    from saec.errors import ExtraError

    for package in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(package) is None:
            raise ExtraError(package, "tune")
    from saec.cli.options.progress_bar import bar
    from saec.tune.merged_checkpoint import merge_adapter as write_merged
    from saec.tune.merged_checkpoint import refuse_used
    from saec.tune.tuning_run import tune

    config = TuneConfig(**settings)
    if merge is not None:
        refuse_used(merge)
    with bar() as report:
        card = tune(
            data, out, config,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            holdouts=holdout, resume=resume, report=report,
        )  # fmt: skip
    _tell(card, out)
    if merge is not None:
        write_merged(out, merge, config)
        click.echo(f"merged: {merge}")


def _tell(card: AdapterCard, out: Path) -> None:
    """The figures of each epoch, and what they rest on."""
    if card.demonstration:
        click.echo("DEMONSTRATION: the base shows the mechanism and is not for real parts.")
    shown = f"{card.val.good} goods, {card.val.defect} defects"
    click.echo(f"{'epoch':>6} {'AUROC':>7} {'balanced':>9} {'loss':>7}   on {shown}")
    for found in (card.before, *card.epochs):
        kept = "  <- kept" if found == card.chosen else ""
        name = str(found.epoch) if found.epoch else "base"
        click.echo(f"{name:>6} {found.auroc:7.3f} {found.balanced_accuracy:9.3f} {found.loss:7.3f}{kept}")
    if card.chosen.rank <= card.before.rank:
        click.echo("No epoch judges these images better than the base does: do not use the adapter.")
    click.echo("The epoch was chosen by these images: measure it on others.")
    click.echo(f"adapter: {out}")
