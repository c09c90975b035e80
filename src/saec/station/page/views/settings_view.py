"""Settings: what runs and from where, and how each setting is changed."""

from __future__ import annotations

from starlette.responses import Response

from saec.connecting import shown_list
from saec.station.maintenance.machine_facts import machine_facts
from saec.station.page.page_tools import PageTools, ViewWords
from saec.station.page.page_view import PageRoute, PageView
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.setup.shown_settings import shown_settings


def show_station_settings(tools: PageTools, visit: Visit) -> Response:
    """Everything of the settings but secrets, and the machine that runs them."""
    settings, status = tools.settings, tools.feed.status
    data = settings.station.data
    return tools.page(
        "settings",
        visit,
        sections=shown_settings(settings),
        machine=machine_facts(data),
        data=data.absolute(),
        sizes={name: size for name, size in status.get("storage", {}).items() if size},
        only_own="all" not in visit.form,
        cloud=None if settings.cloud is None else shown_list(settings.cloud.model),
        silent=tools.feed.silent,
    )


SETTINGS = PageView(
    "settings",
    ViewWords(
        msgid("Settings"),
        msgid("See what runs here and from where, and how each setting is changed."),
        msgid(
            "Settings stand in one file on the station's machine; nobody changes them in a browser. "
            "Edit the file, check it with “saec config check”, and restart the station. People, versions, "
            "the tokens file and the certificate need no restart. Addresses are shown without users, "
            "passwords and paths, and files with secrets are named but never read."
        ),
    ),
    (PageRoute("GET", "/page/settings", show_station_settings),),
)
