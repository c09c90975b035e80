"""``saec tune``: fine-tune a cloud's model on labelled images."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.settings.setting_fields import Everyday, ExistingFolder, Option
from saec.tune.tuning_settings import TuneConfig

if TYPE_CHECKING:
    from saec.tune.adapter_card import AdapterCard


class AdapterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [adapter]: on what `saec tune` tunes, and where the adapter goes.

    Attributes:
        data: Folder that `saec data sft` made.
        out: Folder of the adapter.
        exclude_holdout: The command stops if the data hold a hold-out image of this manifest (its file or
            folder). Give it several times for several manifests.
        resume: Go on where an interrupted run was last saved.
        merge: Also write the base with the adapter in it to this folder, as one checkpoint. With --dtype
            4bit, too, the adapter is added to the base's weights as they are, not in four bits.
    """

    data: ExistingFolder
    out: Path
    exclude_holdout: Annotated[tuple[Path, ...], Option(everyday=True, kind="path")] = ()
    resume: Everyday[bool] = False
    merge: Path | None = None


@settings_command()
def command(adapter: AdapterSettings, tune: TuneConfig) -> None:
    """Fine-tune a Qwen2.5-VL with LoRA, on data that `saec data sft` made.

    Only the language model's attention and the projector (the layer that joins vision and language) are
    adapted. The loss is that of the label alone.
    The weights of the epoch with the highest AUROC on val.jsonl are kept.

    \b
    saec data sft --src mvtec --out sft --exclude-holdout holdout/manifest.json
    saec tune --data sft --base Qwen/Qwen2.5-VL-7B-Instruct --dtype 4bit --out adapters/mvtec \\
        --exclude-holdout holdout/manifest.json
    torchrun --nproc-per-node 2 -m saec tune --data sft --base Qwen/Qwen2.5-VL-7B-Instruct \\
        --out adapters/mvtec
    """
    from importlib.util import find_spec

    from saec.errors import ExtraError

    for package in ("torch", "transformers", "peft", "safetensors"):
        if find_spec(package) is None:
            raise ExtraError(package, "tune")
    from saec.cli.options.progress_bar import bar
    from saec.tune.data_parallel import launched
    from saec.tune.merged_checkpoint import merge_adapter, refuse_used
    from saec.tune.tuning_run import tune as make_adapter

    if adapter.merge is not None:
        refuse_used(adapter.merge)
    first = launched().first
    with bar() if first else nullcontext() as report:
        card = make_adapter(
            adapter.data,
            adapter.out,
            tune,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            holdouts=adapter.exclude_holdout,
            resume=adapter.resume,
            report=report,
        )
    if not first:
        return
    _tell(card, adapter.out)
    if adapter.merge is not None:
        merge_adapter(adapter.out, adapter.merge, tune)
        click.echo(f"merged: {adapter.merge}")


def _tell(card: AdapterCard, out: Path) -> None:
    """The figures of each epoch, and what they rest on."""
    if card.demonstration:
        click.echo("DEMONSTRATION: the base shows the mechanism and is not for real parts.")
    shown = f"{card.val.good} good images, {card.val.defect} defects"
    click.echo(f"{'epoch':>6} {'AUROC':>7} {'balanced':>9} {'loss':>7}   on {shown}")
    for found in (card.before, *card.epochs):
        kept = "  <- kept" if found == card.chosen else ""
        name = str(found.epoch) if found.epoch else "base"
        click.echo(f"{name:>6} {found.auroc:7.3f} {found.balanced_accuracy:9.3f} {found.loss:7.3f}{kept}")
    if card.chosen.rank <= card.before.rank:
        click.echo("No epoch judges these images better than the base does: do not use the adapter.")
    click.echo("The epoch was chosen by these images: measure it on others.")
    click.echo(f"adapter: {out}")
