"""saec export: frames, labels and masks out of a station's review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument, Everyday

if TYPE_CHECKING:
    from saec.station.setup.station_settings import StationSettings


class LabelExportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [label_export]: which frames go out, and how.

    Attributes:
        out: Make the export in this folder, which must not exist.
        line: The line whose frames are exported. A station of one line needs no name.
        form: "mvtec" is the layout of MVTec AD, "coco" has tables of boxes and outlines, "label-studio" has
            tasks for Label Studio.
        use: Only frames that "prove" (drawn at random), or only frames to "teach". Default: both.
        unanswered: With "label-studio": frames that nobody has answered about as well.
    """

    out: Argument[Path]
    line: Everyday[str | None] = None
    form: Everyday[Literal["mvtec", "coco", "label-studio"]] = "mvtec"
    use: Everyday[Literal["prove", "teach"] | None] = None
    unanswered: Everyday[bool] = False


@settings_command(example=EXAMPLE)
def command(label_export: LabelExportSettings, action: ActionSettings) -> None:
    """Export frames, labels and masks of a station's review into OUT.

    Pictures keep their bytes, so that what was taught is known by its hash wherever it goes. labels.jsonl in
    OUT says of each picture what people said, and whether it may teach or proves. The station may be running.

    \b
    saec export bottle-labels --config station.toml
    saec export tasks --form label-studio --unanswered --config station.toml
    """
    settings = station_settings(named_file())
    from saec.station.audit.audit_log import AuditLog
    from saec.station.exchange.label_export import ExportQuery, export_labels
    from saec.station.review.review_store import ReviewStore

    query = ExportQuery(
        line=_line(settings, label_export.line), use=label_export.use, unanswered=label_export.unanswered
    )
    store = ReviewStore(settings.station.data, settings.review)
    try:
        log = AuditLog(settings.station.data)
        count = export_labels(
            store, log, query, label_export.form, label_export.out, shell_actor(), ROLE, action.reason
        )
    finally:
        store.close()
    click.echo(f"{label_export.out}: {count} pictures of {query.line}")


def _line(settings: StationSettings, named: str | None) -> str:
    names = [line.name for line in settings.line]
    if named is None and len(names) == 1:
        return names[0]
    if named not in names:
        what = f"there is no line {named}" if named else "the station has several lines"
        raise ConfigError(what, f"give --line, one of {', '.join(names)}")
    return named
