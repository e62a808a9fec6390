"""The catalogue's page in a real browser, opened as a file and over HTTP, with real audio."""

from __future__ import annotations

import functools
import re
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lstm_core.catalogue.folder import list_tracks, write_catalog
from lstm_core.catalogue.scheduled_runs import merge_scheduled_runs
from tests.e2e.page_catalogue import HOSTILE, SAMPLE_RATE, add_track, fill

playwright_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a catalogue #1")
    fill(folder)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    """Files of a folder with byte ranges, which seeking in an <audio> wants and Python's own handler lacks."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@pytest.fixture(scope="module")
def served(catalogue: Path) -> Iterator[str]:
    """Address of an HTTP server over the catalogue."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(catalogue)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(params=["file", "http"])
def page(request: pytest.FixtureRequest, browser: Browser, catalogue: Path) -> Iterator[Page]:
    """The page, opened both ways; afterwards no error may have shown and nothing been requested elsewhere."""
    address = catalogue.as_uri() + "/index.html" if request.param == "file" else request.getfixturevalue("served")
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(10_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    root = address.rsplit("/", 1)[0]
    page.on(
        "request",
        lambda requested: None if requested.url.startswith((root, "data:")) else troubles.append(requested.url),
    )
    page.goto(address)
    yield page
    page.close()
    assert troubles == []


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


def test_plays_pauses_and_seeks(page: Page) -> None:
    page.get_by_role("button", name="Play l piece").click()
    wait_until(page, "document.getElementById('audio').currentTime > 0.5")
    expect(page.locator(".current h3")).to_have_text("l piece")
    roll = page.get_by_role("slider", name="Position in l piece")
    box = roll.bounding_box()
    assert box is not None
    roll.click(position={"x": box["width"] * 0.5, "y": 20})
    wait_until(page, "document.getElementById('audio').currentTime > 6.6")
    assert 6.4 < position_s(page, "l") < 8.5
    head = roll.locator(".head").bounding_box()
    assert head is not None
    assert 0.48 < (head["x"] - box["x"]) / box["width"] < 0.66
    page.get_by_role("button", name="Pause l piece").click()
    at = page.evaluate("document.getElementById('audio').currentTime")
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('audio').currentTime") == at
    expect(page.locator("#toggle")).to_have_attribute("aria-label", "Play")


def test_sections_and_the_chord_that_sounds(page: Page) -> None:
    """The bars of d are 2.18 s long, its sections one bar each."""
    row = page.locator(".track", has_text="d piece")
    assert row.locator(".band").all_text_contents() == ["A", "B", "C", "D"]
    boxes = [band.bounding_box() for band in row.locator(".band").all()]
    roll = row.locator(".roll").bounding_box()
    assert roll is not None and boxes[1] is not None and boxes[0] is not None
    assert abs((boxes[1]["x"] - roll["x"]) / roll["width"] - 240 / 110 / 5) < 0.01
    assert boxes[0]["y"] + boxes[0]["height"] < roll["y"] + 20
    assert page.locator(".track", has_text="a piece").locator(".band").count() == 0
    row.locator(".roll").click(position={"x": roll["width"] * 0.6, "y": 40})
    expect(page.locator("#now-form")).to_have_text("B · F/A")
    page.get_by_role("button", name="Play a piece").click()
    expect(page.locator("#now-form")).to_have_text("")


def test_sections_where_the_tempo_moves(browser: Browser, tmp_path: Path) -> None:
    """Bars of 1, 3 and 1 s, and a last one that is slower from its middle on: 1 s and 2 s."""
    tempos = [(0, 0, 240), (1, 1, 80), (2, 4, 240), (3, 5, 120), (3.5, 6, 60)]
    marks = [dict(zip(("bar", "start_s", "bpm"), tempo, strict=True)) for tempo in tempos]
    add_track(tmp_path, 3, name="m", loop=False, duration_s=8.0, sections="A B C D", bpm=240.0, tempos=marks)
    add_track(tmp_path, 4, name="steady", loop=False, duration_s=8.0, sections="A B")
    write_catalog(str(tmp_path), list_tracks(str(tmp_path)), [], title="Moving")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    row = page.locator(".track", has_text="m").first
    roll = row.locator(".roll").bounding_box()
    boxes = [band.bounding_box() for band in row.locator(".band").all()]
    assert roll is not None
    lefts = [(box["x"] - roll["x"]) / roll["width"] * 8 for box in boxes if box is not None]
    assert lefts == pytest.approx([0.0, 1.0, 4.0, 5.0], abs=0.05)
    at = [page.evaluate(f"formAt({i}, {s})") for i, s in ((0, 0.9), (0, 1.1), (0, 3.9), (0, 4.1), (0, 5.1), (0, 6.1))]
    assert [place.split(" ")[0] for place in at] == ["A", "B", "B", "C", "D", "D"]
    assert page.evaluate("[barAt(0, 7), secondsAt(0, 3.75), barAt(1, 3)]") == pytest.approx([3.75, 7.0, 1.5])
    assert "60–240" in (row.locator(".facts").text_content() or "")
    page.close()


def test_a_catalogue_without_forms_offers_no_filters_for_them(browser: Browser, tmp_path: Path) -> None:
    write_catalog(str(tmp_path), [add_track(tmp_path, 0, name="plain", loop=False, duration_s=2)])
    page = browser.new_page()
    page.goto(tmp_path.as_uri() + "/index.html")
    assert names(page) == ["plain"]
    assert [part.is_visible() for part in page.locator(".of-form").all()] == [False, False, False]
    page.close()


def test_a_click_on_a_resting_roll_starts_there(page: Page) -> None:
    roll = page.get_by_role("slider", name="Position in h piece")
    box = roll.bounding_box()
    assert box is not None
    roll.click(position={"x": box["width"] * 0.75, "y": 10})
    wait_until(page, "document.getElementById('audio').currentTime > 7")
    wait_until(page, "document.getElementById('audio').ended")  # and it ends, for it is no loop
    expect(page.get_by_role("button", name="Play h piece")).to_be_visible()


def test_loops_go_round(page: Page) -> None:
    """A loop of two seconds is past its end after three, and still plays; over HTTP by Web Audio, sample by sample."""
    page.get_by_role("button", name="Play a piece").click()
    expect(page.locator("#now-note")).to_have_text("loops")
    wait_until(page, "position() > 1.5")
    wait_until(page, "position() < 0.5")
    wait_until(page, "position() > 1")
    by_web_audio = page.evaluate("Boolean(loopEngine.source?.loop)")
    assert by_web_audio == page.url.startswith("http")
    if by_web_audio:
        assert page.evaluate("loopEngine.buffer.length") == 2 * SAMPLE_RATE, "no sample more or less than the file has"
        assert page.evaluate("loopEngine.context.sampleRate") == SAMPLE_RATE
    roll = page.get_by_role("slider", name="Position in a piece")
    roll.focus()
    page.keyboard.press("Home")
    assert page.evaluate("position()") < 0.5


SAMPLES_AGAIN = """async () => {
  const { buffer, source } = loopEngine, { loopStart, loopEnd } = source;
  const context = new OfflineAudioContext(1, 2 * buffer.length, buffer.sampleRate);
  const again = new AudioBufferSourceNode(context, { buffer, loop: true, loopStart, loopEnd });
  again.connect(context.destination);
  again.start();
  const [once, twice] = [buffer, await context.startRendering()].map((audio) => audio.getChannelData(0));
  const first = Math.round(loopStart * buffer.sampleRate), length = buffer.length - first;
  const wanted = (n) => once[n < buffer.length ? n : first + ((n - buffer.length) % length)];
  return Math.max(...twice.map((value, n) => Math.abs(value - wanted(n))));
}"""  # how far what the page plays is from the file and then its loop, over twice the length of the file


@pytest.mark.parametrize("kind", ["file", "http"])
def test_what_comes_before_a_loop_is_played_once(
    browser: Browser, catalogue: Path, served: str, kind: str, tmp_path: Path
) -> None:
    """Of two seconds the last 0.8 go round."""
    folder = tmp_path if kind == "file" else catalogue / "one"
    points = {"loop_start_bar": 1, "loop_start_sample": round(1.2 * SAMPLE_RATE), "loop_end_sample": 2 * SAMPLE_RATE}
    write_catalog(str(folder), [add_track(folder, 0, name="x", loop=True, duration_s=2, **points)])
    page = browser.new_page()
    page.goto(f"{tmp_path.as_uri()}/index.html" if kind == "file" else served.replace("/index", "/one/index"))
    page.get_by_role("button", name="Play x").click()
    expect(page.locator("#now-note")).to_have_text("loops from 0:01")
    wait_until(page, "position() > 1.8")
    wait_until(page, "position() < 1.6")
    assert page.evaluate("position()") > 1.19
    wait_until(page, "position() > 1.9")
    wait_until(page, "position() < 1.5")
    if kind == "http":
        assert page.evaluate("loopEngine.source.loopStart") == pytest.approx(1.2)
        assert page.evaluate(SAMPLES_AGAIN) < 1e-6
    page.evaluate("seek(0, 0)")
    assert page.evaluate("position()") < 1
    page.get_by_role("button", name="Details of x").click()
    expect(page.locator(".sheet")).to_contain_text("from sample 26,460 on")
    page.close()


@pytest.mark.parametrize("kind", ["file", "http"])
def test_layers_are_changed_while_they_play(
    browser: Browser, catalogue: Path, served: str, kind: str, tmp_path: Path
) -> None:
    """The other layer goes on where the one before it was; a track without layers offers none."""
    folder = tmp_path if kind == "file" else catalogue / "layered"
    records = [
        add_track(folder, 0, name="x", loop=True, duration_s=8, num_layers=3),
        add_track(folder, 1, name="y", loop=False, duration_s=2),
    ]
    write_catalog(str(folder), records)
    page = browser.new_page()
    page.goto(f"{tmp_path.as_uri()}/index.html" if kind == "file" else served.replace("/index", "/layered/index"))
    page.get_by_role("button", name="Play x").click()
    assert page.locator("#layer option").all_text_contents() == ["master", "layer 1", "layer 2", "layer 3"]
    wait_until(page, "position() > 1")
    page.locator("#layer").select_option("layer-2.flac")
    wait_until(page, "position() > 1.5")
    assert page.evaluate("position()") < 6, "it goes on, and does not begin anew"
    if kind == "http":
        assert page.evaluate("loopEngine.buffers.get('tracks/t0000/layer-2.flac') === loopEngine.source.buffer")
    else:
        assert page.evaluate("document.getElementById('audio').src").endswith("/layer-2.flac")
    page.get_by_role("button", name="Details of x").click()
    link = page.locator(".sheet").get_by_role("link", name="Download layer 3")
    assert link.get_attribute("href") == "tracks/t0000/layer-3.flac"
    page.get_by_role("button", name="Play y").click()
    expect(page.locator("#layer")).to_be_hidden()
    page.close()


def test_one_track_at_a_time(page: Page) -> None:
    """A loop gives way to a track and the other way round, also while it is still loading."""
    for letter in "cbed":
        page.get_by_role("button", name=f"Play {letter} piece").click()
    wait_until(page, "position() > 0.3")
    assert page.locator(".current").count() == 1
    assert page.evaluate("[Boolean(loopEngine.source), document.getElementById('audio').paused]") == [False, False]
    page.get_by_role("button", name="Play e piece").click()
    wait_until(page, "position() > 0.1")
    is_http = page.url.startswith("http")
    state = page.evaluate("[Boolean(loopEngine.source), document.getElementById('audio').paused]")
    assert state == [is_http, is_http]


def test_keyboard(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("l piece T0011")
    assert letters(page) == "l"
    page.keyboard.press("Escape")
    assert letters(page) == "<abcdefghikl"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Play a piece")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    wait_until(page, "player.isPlaying && position() > 0.2")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    wait_until(page, "position() > 5")
    page.keyboard.press(" ")
    wait_until(page, "!player.isPlaying")


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


def test_missing_audio_says_so(browser: Browser, tmp_path: Path) -> None:
    record = add_track(tmp_path, 1, name="gone", loop=False, duration_s=2)
    write_catalog(str(tmp_path), [record])
    (tmp_path / record.folder / "master.flac").unlink()
    page = browser.new_page()
    page.goto(tmp_path.as_uri() + "/index.html")
    page.get_by_role("button", name="Play gone").click()
    expect(page.locator("#now-note")).to_contain_text("cannot be played")
    expect(page.get_by_role("button", name="Play gone")).to_be_visible()
    page.close()


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
