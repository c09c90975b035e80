"""The cloud that the settings name."""

from __future__ import annotations

from saec.frame.cloud_services import with_service
from saec.frame.judges import Cloud
from saec.settings import CloudConfig


def requested_cloud(config: CloudConfig) -> Cloud | None:
    """The cloud, not loaded yet; None for "none". A service is asked at once which models it has.

    Raises:
        ConfigError, ExtraError, LinkError: see ``with_service``.
    """
    known = with_service(config)
    return None if known.model == "none" else Cloud(known)
