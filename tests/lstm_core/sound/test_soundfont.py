import hashlib
import re
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.foundation.errors import SoundFontError
from lstm_core.sound import soundfont
from lstm_core.sound.soundfont import SoundFont, find_soundfont, obtain_soundfont, refer_to_soundfont
from lstm_core.storage.file_reference import FileReference
from tests.lstm_core.sounds import write_soundfont

ZONES = [([(53, 0)], [])]
PRESET = [([(41, 0)], [])]


def test_the_requested_one_is_taken_and_known_by_its_bytes(tmp_path: Path) -> None:
    path = write_soundfont(tmp_path / "mine é.sf2", ZONES, PRESET)
    for uri in (str(path), f"file://{path}"):
        found = find_soundfont(uri)
        assert (found.path, found.name) == (path, "mine é")
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TONEMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_one_in_a_bucket_is_fetched_once_a_version(tmp_path: Path, s3_bucket: str, cache: Path) -> None:
    """It was kept under its address for ever, so that a new version in the bucket was never seen."""
    path = write_soundfont(tmp_path / "a.sf2", ZONES, PRESET)
    body, uri = path.read_bytes(), f"{s3_bucket}/fonts/remote.sf2"
    storage.write_bytes(uri, body)
    first = find_soundfont(uri)
    fetched_ns = first.path.stat().st_ctime_ns
    assert first.name == "remote" and first.path.read_bytes() == body
    assert find_soundfont(uri) == first and [path for path in cache.iterdir() if len(path.name) == 64] == [first.path]
    storage.write_bytes(uri, body + b"\0\0")
    assert find_soundfont(uri).path.read_bytes() == body + b"\0\0" and first.path.stat().st_ctime_ns >= fetched_ns
    with pytest.raises(SoundFontError, match=r"/fonts/other\.sf2: there is nothing of that name"):
        find_soundfont(f"{s3_bucket}/fonts/other.sf2")


def test_one_on_the_web_is_fetched(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_another_machine_has_it_from_wherever_it_can(
    tmp_path: Path, s3_bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the bucket, from the same path, from among those installed, or sent: each time the same bytes."""
    monkeypatch.setattr(soundfont, "INSTALLED_FOLDERS", (tmp_path / "installed",))
    path = write_soundfont(tmp_path / "mine.sf2", ZONES, PRESET)
    body, uri = path.read_bytes(), f"{s3_bucket}/fonts/remote.sf2"
    storage.write_bytes(uri, body)
    sha256 = hashlib.sha256(body).hexdigest()
    assert refer_to_soundfont(uri) == FileReference(uri=uri, sha256=sha256, name="remote.sf2", size_bytes=len(body))
    assert obtain_soundfont(refer_to_soundfont(uri)) == SoundFont(path=cache / sha256, name="remote", sha256=sha256)

    reference = refer_to_soundfont(str(path))
    assert reference == FileReference(uri=str(path), sha256=sha256, name="mine.sf2", size_bytes=len(body))
    assert obtain_soundfont(reference) == SoundFont(path=path, name="mine", sha256=sha256)
    path.write_bytes(bytes(len(body)))  # on the other machine another file has that path, of the same size
    (tmp_path / "installed").mkdir()
    installed = tmp_path / "installed" / "Other name.sf2"
    installed.write_bytes(body)
    assert obtain_soundfont(reference) == SoundFont(path=installed, name="mine", sha256=sha256)
    installed.unlink()
    (cache / sha256).unlink()
    sent = obtain_soundfont(reference, lambda place: place.write_bytes(body))
    assert sent == SoundFont(path=cache / sha256, name="mine", sha256=sha256) and sent.path.read_bytes() == body


def test_a_machine_that_has_other_bytes_says_so(
    tmp_path: Path, s3_bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody compared them: two images of a cluster gave one track id two sounds."""
    monkeypatch.setattr(soundfont, "INSTALLED_FOLDERS", ())
    path, uri = write_soundfont(tmp_path / "mine.sf2", ZONES, PRESET), f"{s3_bucket}/fonts/remote.sf2"
    storage.write_bytes(uri, path.read_bytes())
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    here, remote = refer_to_soundfont(str(path)), refer_to_soundfont(uri)
    path.write_bytes(path.read_bytes() + b"\0\0")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    (cache / expected).unlink()
    storage.write_bytes(uri, path.read_bytes())
    host = re.escape(socket.gethostname())
    with pytest.raises(SoundFontError, match=rf"{host} has no .*remote\.sf2: .* sha256 is {found}, and not {expected}"):
        obtain_soundfont(remote)
    with pytest.raises(
        SoundFontError, match=rf"{host} has no .*mine\.sf2 is another .*{found}, .* should be {expected}"
    ):
        obtain_soundfont(here)
    with pytest.raises(SoundFontError, match=rf"sha256 is {found}, and not {expected}"):
        obtain_soundfont(here, lambda place: place.write_bytes(path.read_bytes()))
    path.unlink()
    with pytest.raises(SoundFontError, match=rf"there is no file {path} on it, .* Put the file into a bucket"):
        obtain_soundfont(here)
