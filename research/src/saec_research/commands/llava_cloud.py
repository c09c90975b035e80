"""LLaVA-1.5 as the seed asks it, with what the user says of a cloud."""

from __future__ import annotations

import msgspec

from saec.cli.options.preset_command import unless_given
from saec.settings import CloudConfig


def llava_cloud(cloud: CloudConfig, llava: str) -> CloudConfig:
    """The settings of LLaVA-1.5: it takes one image, and neither the adapter nor the service of a cloud."""
    from saec_research.baselines import LLAVA_SIDE

    return msgspec.structs.replace(
        unless_given(cloud, side_px=LLAVA_SIDE),
        model=llava,
        references=0,
        adapter=None,
        prompt=None,
        service_model=None,
        remote=msgspec.structs.replace(cloud.remote, token_file=None, ca_file=None),
    )
