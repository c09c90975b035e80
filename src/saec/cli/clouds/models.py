"""``saec models``: pull checkpoints from a hub, verify them, convert model files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.edge.model_conversion import Target, convert_model, default_target
from saec.errors import ConfigError, ModelError
from saec.settings.setting_fields import Argument, Everyday, Option


@click.group(context_settings={"help_option_names": ["-h", "--help", "--help-all"]})
def command() -> None:
    """Pull, verify and convert models."""


class PullSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [pull]: what `saec models pull` downloads.

    Attributes:
        name: The checkpoint's name on the hub, OWNER/MODEL.
        out: Folder of the files.
        revision: Branch, tag or commit.
        token_env: Environment variable that holds the access token. Without it HF_TOKEN is read.
    """

    name: Argument[str]
    out: Path
    revision: Everyday[str] = "main"
    token_env: Annotated[str | None, Option(everyday=True, metavar="VARIABLE")] = None


class VerifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [verify]: what `saec models verify` looks at.

    Attributes:
        folder: Folder that `saec models pull` made.
    """

    folder: Argument[Path]


class ConvertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [convert]: what `saec models convert` converts.

    Attributes:
        source: The model's file.
        out: Folder of the result.
        to: Format of the result. Default: it follows from the suffix of FILE.
    """

    source: Annotated[Path, Option(name="FILE", argument=True)]
    out: Path
    to: Everyday[Target | None] = None


@settings_command()
def _pull(pull: PullSettings) -> None:
    """Download a checkpoint from the hub.

    Its pickles are left out, and models.lock is written. An interrupted download goes on where it stopped.
    HF_ENDPOINT names another hub.

    \b
    saec models pull Qwen/Qwen2.5-VL-7B-Instruct --out models/qwen-7b
    """
    from saec.cloud.checkpoints import hub

    token = None
    if pull.token_env is not None:
        token = os.environ.get(pull.token_env)
        if not token:
            raise ConfigError(
                f"the environment variable {pull.token_env} is not set",
                f"export {pull.token_env}=... or leave --token-env out",
            )
    lock = hub.pull_checkpoint(pull.name, pull.out, revision=pull.revision, token=token)
    total = sum(file.size for file in lock.files.values())
    click.echo(f"{lock.name} at {lock.commit}: {len(lock.files)} files, {total / 1e6:.1f} MB in {pull.out}")


@settings_command()
def _verify(verify: VerifySettings) -> None:
    """Check the files of a pulled checkpoint.

    They are hashed again, and each that differs from models.lock is named.
    """
    from saec.cloud.checkpoints import hub

    faults = hub.verify_checkpoint(verify.folder)
    for fault in faults:
        click.echo(fault)
    if faults:
        raise ModelError(
            f"{len(faults)} files in {verify.folder} differ from {hub.LOCK}, the first: {faults[0]}",
            "pull the model again",
        )
    click.echo(f"{verify.folder} is as it was pulled")


@settings_command()
def convert_command(convert: ConvertSettings) -> None:
    """Convert a model's file.

    Nothing that runs later then opens a pickle.

    \b
    .pt of a YOLO classifier   -> openvino (default), onnx; needs saec[yolo]
    .onnx .tflite .xml         -> openvino
    .bin .pth .ckpt .pt        -> safetensors (tensors only); needs saec[fit]
    """
    for path in convert_model(convert.source, convert.out, convert.to or default_target(convert.source)):
        click.echo(path)


command.add_command(_pull, "pull")
command.add_command(_verify, "verify")
command.add_command(convert_command, "convert")
