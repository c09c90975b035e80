"""What a published command says of its cloud."""

from __future__ import annotations

import msgspec

from saec.cli.options.settings_command import is_given
from saec.settings import CloudConfig


def under_preset(preset: str | None, cloud: CloudConfig) -> CloudConfig:
    """The cloud as a published command had it, where the user has said nothing else."""
    if preset is None:
        return cloud
    from saec.runs.requested_options import preset_policy
    from saec.schedule.policies import policy_kind

    command = policy_kind(preset_policy(preset)).presets[preset]
    return unless_given(cloud, batch=command.batch, side_px=command.resize, references=0)


def unless_given(cloud: CloudConfig, **wanted: int | str | None) -> CloudConfig:
    """The cloud with these settings, where the user has given none."""
    changes = {name: value for name, value in wanted.items() if not is_given(f"cloud.{name}")}
    return msgspec.structs.replace(cloud, **changes)
