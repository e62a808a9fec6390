"""The list of the catalogue's page in a real browser, opened as a file and over HTTP: rows, filters, details."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lstm_core.catalogue.folder import write_catalog
from lstm_core.catalogue.scheduled_runs import merge_scheduled_runs
from tests.e2e.page_catalogue import HOSTILE, add_track
from tests.e2e.page_use import CHROMIUM, letters, names, wait_until

playwright_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
]


def test_lists_every_track_with_its_figures(page: Page) -> None:
    assert letters(page) == "<abcdefghikl"
    row = page.locator(".track", has_text="c piece")
    expect(row.locator(".title p")).to_have_text("dungeon · strings, bass")
    assert row.locator(".facts dd").all_text_contents() == [
        "0:04",
        "100 bpm",
        "F# minor",
        "4/4",
        "−16.2 LUFS",
        "−1.5 dBTP",
    ]
    expect(row.locator(".gates")).to_have_text("✓ 1/1")
    assert page.locator("#summary").inner_text() == "12 tracks · 1 min 30 s · 6 loops · 2 failed"
    assert page.locator("h1").inner_text() == "Night & Day <music>"
    image = row.locator("img")
    image.scroll_into_view_if_needed()
    wait_until(page, "rows.get(3).querySelector('img').naturalWidth > 0")


def test_names_are_text_and_never_markup(page: Page) -> None:
    assert HOSTILE in names(page)
    assert page.locator("#failures tbody td").first.text_content() == HOSTILE
    assert "too quiet: not silent -90 (>= -60 LUFS)" in (page.locator("#failures").text_content() or "")
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "Night & Day <music>"
    assert page.locator("script").count() == 2


def test_each_filter_and_sorting(page: Page) -> None:
    for control, value, left in (
        ("#query", "piece reel", "behk"),
        ("#query", "F# dungeon", "cfil"),
        ("#query", "nothing has this", ""),
        ("#style", "reel", "behk"),
        ("#key", "C major", "<adg"),
        ("#loop", "1", "acegik"),
        ("#bpm-min", "150", "<hikl"),
        ("#bpm-max", "100", "abc"),
        ("#duration-min", "12.5", "l"),
        ("#duration-max", "4", "abc"),
        ("#form", "A B", "<bdfhl"),
        ("#form", "aba", "<bf"),
        ("#form", "a1 A’1", "cgk"),
        ("#form", "verse", ""),
        ("#sections-min", "4", "dhl"),
        ("#sections-max", "2", "cgk"),
        ("#energy", "low", "<bcfgk"),
        ("#energy", "middle", "dhl"),
        ("#sort", "-bpm", "lk<ihgfedcba"),
        ("#sort", "loudness_lufs", "lk<ihgfedcba"),
        ("#sort", "style", "<adgcfilbehk"),
    ):
        element = page.locator(control)
        (element.select_option if element.evaluate("e => e.tagName") == "SELECT" else element.fill)(value)
        assert letters(page) == left, f"{control} = {value}"
        expect(page.locator("#nothing")).to_be_visible(visible=left == "")
        expect(page.locator("#count")).to_have_text(f"{len(left)} of 12" if len(left) < 12 else "")
        page.get_by_role("button", name="Clear").click()
        assert letters(page) == "<abcdefghikl"


def test_filters_join_and_come_back_with_the_address(page: Page) -> None:
    page.locator("#instruments summary").click()
    page.get_by_label("piano (6)").check()
    page.get_by_label("strings (12)").check()
    page.locator("#bpm-min").fill("100")
    assert letters(page) == "<dfhl"
    page.reload()
    assert letters(page) == "<dfhl"
    expect(page.locator("#instruments summary")).to_have_text("piano + strings")


def test_a_catalogue_without_forms_offers_no_filters_for_them(browser: Browser, tmp_path: Path) -> None:
    write_catalog(str(tmp_path), [add_track(tmp_path, 0, name="plain", loop=False, duration_s=2)])
    page = browser.new_page()
    page.goto(tmp_path.as_uri() + "/index.html")
    assert names(page) == ["plain"]
    assert [part.is_visible() for part in page.locator(".of-form").all()] == [False, False, False]
    page.close()


def test_details_and_downloads(page: Page) -> None:
    page.get_by_role("button", name="Details of b piece").click()
    sheet = page.locator(".sheet")
    for text in ("exact length", "66,150 samples", "9223372036854775809", "base ab12", "CC0-1.0", "TimGM6mb"):
        expect(sheet).to_contain_text(text)
    assert page.locator("a[download]", has_text="strings").get_attribute("href") == "tracks/t0001/stems/strings.flac"
    row = page.locator(".track", has_text="b piece")
    if page.url.startswith("file"):  # where the browser opens what it could show, beside the page
        expect(row.get_by_role("link", name="Download FLAC")).to_have_attribute("target", "_blank")
        return
    for label, suffix in (("FLAC", b"fLaC"), ("MIDI", b"MThd"), ("JSON", b"{")):
        with page.expect_download() as downloading:
            row.get_by_role("link", name=f"Download {label}").click()
        assert downloading.value.suggested_filename.startswith("b piece ")
        assert Path(downloading.value.path()).read_bytes().startswith(suffix)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(browser: Browser, served: str, scheme: Any) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 720}, color_scheme=scheme, has_touch=True)
    page.goto(served)
    page.get_by_role("button", name="Play b piece").click()
    page.get_by_role("button", name="Details of b piece").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    small = page.evaluate(
        "[...document.querySelectorAll('.play, #toggle')].filter(b => b.getBoundingClientRect().width < 40).length"
    )
    assert small == 0, "buttons must be wide enough for a finger"
    page.close()


def test_many_tracks_make_few_elements(browser: Browser, tmp_path: Path) -> None:
    """The list grows as it is scrolled; a filter over all of them answers at once."""
    from dataclasses import replace

    from lstm_core.catalogue.page import render_page

    record = add_track(tmp_path, 1, name="x", loop=False, duration_s=2)
    records = [replace(record, track_id=f"t{i}", name=f"track {i}", bpm=60.0 + i % 100) for i in range(20_000)]
    (tmp_path / "index.html").write_bytes(render_page(records, [], title="Many"))
    page = browser.new_page()
    page.goto(tmp_path.as_uri() + "/index.html")
    assert page.locator(".track").count() <= 120
    page.locator("#query").fill("track 19999")
    expect(page.locator("#count")).to_have_text("1 of 20,000")
    page.locator("#query").fill("")
    page.locator("#bpm-min").fill("159")
    expect(page.locator("#count")).to_have_text("200 of 20,000")
    page.mouse.move(400, 400)
    before = page.locator(".track").count()
    for _ in range(10):
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(50)
    assert before < page.locator(".track").count() <= 200
    page.close()


def test_the_page_over_nights_finds_the_files_of_each(browser: Browser, tmp_path: Path) -> None:
    for day in ("2026-11-21", "2026-11-22"):
        night = tmp_path / f"nights/dungeon/date={day}"
        write_catalog(str(night), [add_track(night, 0, name=f"of {day}", loop=False, duration_s=2)])
    page_uri, _ = merge_scheduled_runs(str(tmp_path))
    page = browser.new_page()
    page.goto(Path(page_uri).as_uri())
    assert names(page) == ["of 2026-11-21", "of 2026-11-22"]
    wait_until(page, "[...document.querySelectorAll('.track img')].every((image) => image.naturalWidth > 0)")
    assert page.locator(".track img").count() == 2
    page.get_by_label("Search").first.fill("date=2026-11-22")
    wait_until(page, "document.querySelectorAll('.track').length === 1")
    page.close()
