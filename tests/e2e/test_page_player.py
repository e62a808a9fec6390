"""The player of the catalogue's page in a real browser, opened as a file and over HTTP, with real audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.catalogue.folder import list_tracks, write_catalog
from tests.e2e.page_catalogue import SAMPLE_RATE, add_track
from tests.e2e.page_use import CHROMIUM, letters, position_s, wait_until

playwright_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
]


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
