"""Whether everything that the settings name can be opened: said at the start as ``--check`` says it."""

from __future__ import annotations

from saec.cloud.remote.http_client import Poster
from saec.station.cloud_models import remote_config
from saec.station.setup.station_settings import StationSettings
from saec.web.admission.tokens import Tokens


def check_openable(settings: StationSettings) -> None:
    """Open each sink, each file with tokens or certificates and the cloud's client, and close them.

    Nothing is connected, written or started.

    Raises:
        ConfigError: one cannot be opened; it names the file or the address, and the remedy.
    """
    Tokens(settings.station.tokens_file)
    for sink in settings.sink:
        sink.make_sink().close()
    if settings.cloud is not None:
        Poster(remote_config(settings.cloud)).close()
