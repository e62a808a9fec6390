"""What tests of the catalogue's page do with it."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def names(page: Page) -> list[str]:
    return page.locator("#list h3").all_text_contents()


def letters(page: Page) -> str:
    """First letters of the names in the list, in order; < is the hostile one."""
    page.wait_for_timeout(120)  # filters wait a little for the next key
    return "".join(name[0] for name in names(page))


def wait_until(page: Page, condition: str, *, limit_s: float = 10.0) -> None:
    """Playwright's own wait makes a function from text, which the page's policy forbids."""
    stop = time.monotonic() + limit_s
    while not page.evaluate(condition):
        assert time.monotonic() < stop, f"{condition} did not come true within {limit_s} s"
        page.wait_for_timeout(30)


def position_s(page: Page, letter: str) -> float:
    return float(page.get_by_role("slider", name=f"Position in {letter} piece").get_attribute("aria-valuenow") or "nan")
