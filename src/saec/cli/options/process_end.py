"""The end of a program whose libraries may still hold threads of their own (cameras, inference, a hung disk).

All is closed and synced when a station or a service returns. The interpreter would take those threads down
one by one, and wait for some for ever.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections.abc import Callable

import click

from saec.errors import EndedError


def run_to_the_end(program: Callable[[], None]) -> None:
    """Run it and end the process: with status 0, or with 1 and the error where a part of it has ended.

    Raises:
        SaecError: it could not be started; the process goes on.
    """
    status = 0
    with contextlib.suppress(ValueError, OSError):  # where standard error is no file
        faulthandler.enable()  # systemd's watchdog ends by SIGABRT: the log then shows where each thread is
    try:
        program()
    except EndedError as e:
        click.echo(f"error: {e.what}\nremedy: {e.remedy}", err=True)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
