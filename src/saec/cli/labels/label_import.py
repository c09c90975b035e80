"""saec import: labels that were given elsewhere, into a station's review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, shell_actor
from saec.errors import ConfigError
from saec.settings import DataConfig
from saec.settings.setting_fields import Argument, ExistingPath, Option

if TYPE_CHECKING:
    from saec.station.exchange.label_import import LabelImport
    from saec.station.review.review_store import ReviewStore
    from saec.station.setup.station_settings import StationSettings

_SHOWN = 20


class LabelImportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [label_import]: which labels come in, and whose they are.

    Attributes:
        labels: A JSON export of Label Studio, or a data set in any layout that `saec data check` reads.
        person: Who gave the labels, where the file does not say it. Each person counts as one opinion.
    """

    labels: Argument[ExistingPath]
    person: Annotated[str, Option(everyday=True, metavar="NAME")] = ""


@settings_command(example=EXAMPLE)
def command(label_import: LabelImportSettings, data: DataConfig, action: ActionSettings) -> None:
    """Import labels that were given elsewhere.

    Each label becomes an answer of its person; what was answered here is never changed. Pictures are known by
    their bytes, else by the frame's id in the file's name. What is refused is listed, and the status is 1.

    \b
    saec import project.json --config station.toml
    saec import bottle-labels --person anna --config station.toml
    """
    settings = station_settings(named_file())
    from saec.station.review.review_store import ReviewStore

    store = ReviewStore(settings.station.data, settings.review)
    try:
        found = _imported(settings, store, label_import, data.layout, action.reason)
    finally:
        store.close()
    click.echo(f"{found.taken} labels taken, {found.known} known before, {len(found.refused)} refused")
    for why in found.refused[:_SHOWN]:
        click.echo(why, err=True)
    if found.refused:
        click.get_current_context().exit(1)


def _imported(
    settings: StationSettings, store: ReviewStore, wish: LabelImportSettings, layout: str, reason: str
) -> LabelImport:
    from saec.station.audit.audit_log import AuditLog
    from saec.station.audit.audit_rows import Action
    from saec.station.exchange.label_export import IMPORT
    from saec.station.exchange.label_import import dataset_labels, import_labels
    from saec.station.exchange.label_studio import is_label_studio, read_label_studio
    from saec.station.exchange.recorded_frames import recorded_frames

    studio = is_label_studio(wish.labels)
    labels = (
        read_label_studio(wish.labels, wish.person)
        if studio
        else dataset_labels(wish.labels, wish.person, layout=layout)
    )
    given = list(labels)
    if any(not label.person for label in given):
        raise ConfigError("nobody is named who gave these labels", "name the person with --person")
    action = Action(
        actor=shell_actor(),
        role=ROLE,
        what=IMPORT,
        about=wish.labels.name,
        after={"labels": len(given), "person": wish.person},
        reason=reason,
    )
    recorded = AuditLog(settings.station.data).recorded(action)
    with recorded, recorded_frames(settings.station.data, store) as admit:
        return import_labels(store, given, origin=wish.labels.name, admit=admit)
