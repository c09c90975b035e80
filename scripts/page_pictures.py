"""The pictures of the page in the docs: ``python scripts/page_pictures.py``.

Starts what `make station` starts, makes an admin in the browser, has frames judged, and takes a picture of
each view with Chromium. The product is drawn and the cloud's checkpoint is the demonstration. Needs
``saec[fit,service,station]``, playwright, and a Chromium (CHROMIUM names another program).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "http://127.0.0.1:8090"
NAME, PASSWORD = "Ada", "four wet stones in a row"
WIDE, PHONE = (1280, 800), (390, 844)
VIEWS = ("live", "frames", "review", "teach", "lines", "numbers", "alarms", "settings", "people", "audit")

_PATIENCE = 300.0
_ANSWERS = 6
_COLOURS = 200


@contextlib.contextmanager
def station(folder: Path) -> Iterator[None]:
    """A station and its cloud, as `make station` runs them, with nobody and no frame in it yet."""
    shutil.rmtree(folder / "station-data", ignore_errors=True)
    shutil.rmtree(folder / "in", ignore_errors=True)
    command = ["sh", str(ROOT / "scripts" / "station.sh"), str(Path(sys.executable).parent), str(folder)]
    program = subprocess.Popen(command, start_new_session=True)
    try:
        wait(lambda: httpx.get(f"{ADDRESS}/page/login").status_code != 503, program)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(program.pid, signal.SIGTERM)
        program.wait()


def wait(ready: Any, program: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: it does not become so, or the program has ended.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and (program is None or program.poll() is None):
        with contextlib.suppress(httpx.HTTPError):
            if ready():
                return
        time.sleep(0.5)
    raise RuntimeError("the station does not run; read station.log and cloud.log in its folder")


def set_up(page: Page, folder: Path) -> None:
    """Make the first admin as a person does."""
    asked = [sys.executable, "-m", "saec", "station", "people", "setup-code", "--config", "station.toml"]
    code = subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    page.goto(code)
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/page/live")


def feed(page: Page, folder: Path) -> None:
    """Have some goods and defects judged while Live is open; the last one is a defect.

    The first picture is black, as of a lamp that has failed, so that there is an alarm.
    """
    Image.new("RGB", (448, 448)).save(folder / "in" / "lamp.png")
    for path in sorted((folder / "images/leather/test").glob("*/*.png"))[::3]:
        shutil.copy(path, folder / "in" / f"{path.parent.name}-{path.name}")
        time.sleep(0.4)
    time.sleep(3.0)  # the cloud's late answers come first
    last = next((folder / "images/leather/test/hole").glob("*.png"))
    shutil.copy(last, folder / "in" / f"last-{last.name}")
    page.get_by_text(f"last-{last.name}").first.wait_for(timeout=60_000)
    time.sleep(2.0)


def review(page: Page) -> None:
    """Answer frames by keys as their verdicts say, until one is a defect; it is shown with its heat map."""
    now = page.locator(".review-task:not([hidden])")
    for _ in range(_ANSWERS):
        now.locator(".review-picture").evaluate("image => image.decode()")
        if now.locator(".verdict-defect").count():
            break
        seq = now.get_attribute("data-seq")
        time.sleep(1.0)  # a press that comes at once counts for nothing
        page.keyboard.press("g")
        page.locator(f".review-task[data-seq='{seq}']").wait_for(state="detached")
    page.keyboard.press("m")
    time.sleep(1.0)


def save(page: Page, path: Path) -> None:
    """A picture of what the browser shows, with few colours so that it is small."""
    shown = Image.open(io.BytesIO(page.screenshot()))
    shown.convert("RGB").quantize(_COLOURS).save(path, optimize=True)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "page")
    args = parser.parse_args()
    folder, program = args.folder.resolve(), os.environ.get("CHROMIUM") or shutil.which("chromium")
    args.out.mkdir(parents=True, exist_ok=True)
    with station(folder), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
        set_up(page, folder)
        feed(page, folder)
        for view in VIEWS:
            if view != "live":
                page.goto(f"{ADDRESS}/page/{view}")
            if view == "review":
                review(page)
            save(page, args.out / f"{view}.png")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.goto(f"{ADDRESS}/page/live")
        page.locator("main img").first.wait_for()
        save(page, args.out / "phone.png")
        browser.close()


if __name__ == "__main__":
    main()
