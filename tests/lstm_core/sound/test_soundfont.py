import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.foundation.errors import SoundFontError
from lstm_core.sound import soundfont
from lstm_core.sound.soundfont import find_soundfont
from tests.lstm_core.sounds import write_soundfont

ZONES = [([(53, 0)], [])]
PRESET = [([(41, 0)], [])]


def test_the_one_asked_for_is_taken_and_known_by_its_bytes(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "mine é.sf2", ZONES, PRESET)
    for uri in (str(path), f"file://{path}"):
        found = find_soundfont(uri)
        assert (found.path, found.name) == (path, "mine é")
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_in_a_bucket_is_fetched_once(tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    body = write_soundfont(tmp_path / "a.sf2", ZONES, PRESET).read_bytes()
    uri = f"{s3_bucket}/fonts/remote.sf2"
    storage.write_bytes(uri, body)
    first = find_soundfont(uri)
    storage.remove(uri)
    assert first.name == "remote" and first.path.read_bytes() == body
    assert find_soundfont(uri) == first
    with pytest.raises(SoundFontError, match=r"/fonts/other\.sf2: there is nothing of that name"):
        find_soundfont(f"{s3_bucket}/fonts/other.sf2")
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_one_on_the_web_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    body = write_soundfont(tmp_path / "a.sf2", ZONES, PRESET).read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert find_soundfont(f"{address}/a.sf2").path.read_bytes() == body
        with pytest.raises(SoundFontError, match=r"no SoundFont from http://.*/b\.sf2: .*404"):
            find_soundfont(f"{address}/b.sf2")
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(SoundFontError, match=r"ftp://.*Use a path, file:// or s3://"):
        find_soundfont("ftp://host/a.sf2")


def test_installed_ones_come_before_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "INSTALLED_FOLDERS", (tmp_path,))
    assert find_soundfont().name == "TimGM6mb"
    names = ["AAA.sf2", "FluidR3_GM.sf2", "MuseScore_General.sf3", "aardvark-general.sf2"]
    (tmp_path / "Broken.sf2").write_bytes(b"not a SoundFont")
    for name in names:
        write_soundfont(tmp_path / name, ZONES, PRESET)
    for expected in ("MuseScore_General", "FluidR3_GM", "AAA", "aardvark-general"):
        found = find_soundfont()
        assert found.name == expected
        found.path.unlink()
    assert find_soundfont().name == "TimGM6mb"


def test_a_wrong_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundFontError, match=r"missing\.sf2: No such file"):
        find_soundfont(str(tmp_path / "missing.sf2"))
    (tmp_path / "text.sf2").write_text("hello, I am a text")
    with pytest.raises(SoundFontError, match=r"text\.sf2 is not a SoundFont: it begins with b'hello, I am "):
        find_soundfont(str(tmp_path / "text.sf2"))
    whole = write_soundfont(tmp_path / "whole.sf2", ZONES, PRESET).read_bytes()
    (tmp_path / "cut.sf2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SoundFontError, match=r"cut\.sf2 is cut short"):
        find_soundfont(str(tmp_path / "cut.sf2"))
