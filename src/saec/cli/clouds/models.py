"""``saec models``: pull checkpoints from a hub, verify them, convert model files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import click

from saec.edge.model_conversion import Target, convert_model, default_target
from saec.errors import ConfigError, ModelError


@click.group()
def command() -> None:
    """Pull, verify and convert models."""


@command.command("pull")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the files.")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit.")
@click.option("--token-env", metavar="VAR", help="Variable that holds the access token (HF_TOKEN is known).")
def _pull(name: str, out: Path, revision: str, token_env: str | None) -> None:
    """Download NAME (owner/model) from the hub, without its pickles, and write models.lock.

    An interrupted download goes on where it stopped. HF_ENDPOINT names another hub.
    """
    from saec.cloud.checkpoints import hub

    token = None
    if token_env is not None:
        token = os.environ.get(token_env)
        if not token:
            raise ConfigError(f"{token_env} is not set", f"export {token_env}=... or leave --token-env out")
    lock = hub.pull_checkpoint(name, out, revision=revision, token=token)
    total = sum(file.size for file in lock.files.values())
    click.echo(f"{lock.name} at {lock.commit}: {len(lock.files)} files, {total / 1e6:.1f} MB in {out}")


@command.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
def _verify(folder: Path) -> None:
    """Hash the files of a pulled FOLDER again and name every difference."""
    from saec.cloud.checkpoints import hub

    faults = hub.verify_checkpoint(folder)
    for fault in faults:
        click.echo(fault)
    if faults:
        raise ModelError(f"{folder} differs from {hub.LOCK} in {len(faults)} files", "pull the model again")
    click.echo(f"{folder} is as it was pulled")


@command.command("convert")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the result.")
@click.option(
    "--to", "target", type=click.Choice(get_args(Target)), help="Format; by default told by FILE's suffix."
)
def convert_command(source: Path, out: Path, target: Target | None) -> None:
    """Convert a model FILE, so that nothing that runs later opens a pickle.

    \b
    .pt of a YOLO classifier   -> openvino (default), onnx; needs saec[yolo]
    .onnx .tflite .xml         -> openvino
    .bin .pth .ckpt .pt        -> safetensors (tensors only); needs saec[fit]
    """
    for path in convert_model(source, out, target or default_target(source)):
        click.echo(path)
