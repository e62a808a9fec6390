"""Storage: atomic writes, listings, and messages that name the place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstm_core import storage
from lstm_core.foundation.errors import StorageError


@pytest.fixture(params=["path", "file", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a folder of each kind."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3_bucket')}/a folder"
    return f"file://{tmp_path}/a folder" if request.param == "file" else str(tmp_path / "a folder")


def test_what_is_written_is_read(folder: str) -> None:
    uri = storage.join(folder, "sub", "Übung 1.bin")
    storage.write_bytes(uri, b"0123456789")
    assert storage.read_bytes(uri) == b"0123456789"
    with storage.open_stream(uri) as file:
        file.seek(3)
        assert file.read(4) == b"3456"
        file.seek(8)
        assert file.read(100) == b"89"
    assert storage.file_size(uri) == 10
    storage.write_bytes(uri, b"new")
    assert storage.read_bytes(uri) == b"new"
    storage.remove(uri)
    storage.remove(uri)
    assert not storage.exists(uri)


def test_listing_is_sorted_relative_and_without_hidden_files(folder: str) -> None:
    for name in ("b.mid", "a/z.mid", "a b.mid", "é.mid", ".hidden", ".git/x.mid"):
        storage.write_bytes(f"{folder}/{name}", b"x" * len(name))
    files = storage.list_files(folder)
    assert [file.path for file in files] == sorted(["b.mid", "a/z.mid", "a b.mid", "é.mid"])
    assert [file.size_bytes for file in files] == [len(file.path) for file in files]


def test_what_is_missing_is_named(folder: str) -> None:
    with pytest.raises(storage.MissingError, match="nothing-here"):
        storage.read_bytes(storage.join(folder, "nothing-here"))
    with pytest.raises(storage.MissingError, match="no-folder"):
        storage.list_files(storage.join(folder, "no-folder"))


def test_etag_changes_with_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.mid"
    file.write_bytes(b"one")
    os.utime(file, ns=(1_000_000_000, 1_000_000_000))
    before = storage.list_files(tmp_path)[0].etag
    os.utime(file, ns=(1_000_000_000, 1_000_000_001))
    assert storage.list_files(tmp_path)[0].etag != before


def test_a_write_that_fails_leaves_the_old_bytes_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "block.arrow"
    file.write_bytes(b"old")

    def write_half(temporary: Path) -> None:
        temporary.write_bytes(b"ha")
        Path("/dev/full").write_bytes(b"lf")

    with pytest.raises(StorageError, match=r"block\.arrow: the disk is full"):
        storage.write_local(file, write_half)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["block.arrow"]


def test_links_that_form_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.mid").write_bytes(b"x")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "gone.mid").symlink_to(tmp_path / "nowhere")
    assert [file.path for file in storage.list_files(tmp_path)] == ["gone.mid", "sub/a.mid"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"x")
    with pytest.raises(StorageError, match="is a file, and a folder is expected"):
        storage.list_files(tmp_path / "a.mid")


def test_a_kind_of_storage_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(StorageError, match=r"nowhere://.*Use a path, file:// or s3://"):
        storage.exists("nowhere://x")


def test_join_and_name_of() -> None:
    assert storage.join("s3://bucket/a/", "b", "c.json") == "s3://bucket/a/b/c.json"
    assert storage.join("/a", "b") == "/a/b"
    assert storage.join("/", "b") == "/b"
    assert storage.name_of("s3://bucket/chorales/") == "chorales"
    assert storage.name_of("/corpora/folk songs/") == "folk songs"
    assert storage.absolute("s3://bucket/a") == "s3://bucket/a"
    assert storage.absolute("a") == str(Path.cwd() / "a")


def test_remote_files_are_copied_once_and_again_when_the_copy_is_damaged(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEMILL_CACHE", str(tmp_path))
    uri = f"{s3_bucket}/block.arrow"
    storage.write_bytes(uri, b"content")
    key = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"  # sha256 of b"content"
    copy = storage.local_copy(uri, key)
    assert copy.read_bytes() == b"content"
    storage.remove(uri)
    assert storage.local_copy(uri, key) == copy
    storage.write_bytes(uri, b"content")
    copy.write_bytes(b"damaged")
    assert storage.local_copy(uri, key).read_bytes() == b"content"


def test_folders_that_may_not_be_read_are_reported() -> None:
    """A folder inside the listed one is reported, the listed one itself is an error. As nobody: root may read all."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "closed").mkdir()
        (root / "closed" / "b.mid").write_bytes(b"x")
        (root / "a.mid").write_bytes(b"x")
        (root / "closed").chmod(0)
        root.chmod(0o755)
        program = (
            "import os\n"
            "from lstm_core import storage\n"
            "if os.geteuid() == 0:\n"
            "    os.setgroups([])\n"
            "    os.setuid(65534)\n"
            f"files = storage.list_files({name!r}, on_denied=lambda path, reason: print(path, '|', reason))\n"
            "print([file.path for file in files])\n"
            "try:\n"
            f"    storage.list_files({name + '/closed'!r}, on_denied=print)\n"
            "except storage.StorageError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        (root / "closed").chmod(0o755)
    assert done.stdout.splitlines() == [
        "closed | the folder cannot be read: Permission denied",
        "['a.mid']",
        f"Cannot list {name}/closed: permission denied. Check the rights of the user that runs this.",
    ]


def test_a_write_leaves_the_mode_of_other_new_files_alone(tmp_path: Path) -> None:
    """The mask of file modes belongs to the whole process. Each write set it to 0 and back to learn it; of two writes
    at once the second read the 0 of the first and left it so, and anybody could write every later file.
    """

    def look_away(frame: object, event: str, called: object) -> None:
        if event == "c_return" and called is os.umask:
            time.sleep(0.02)  # the other thread's turn

    before = os.umask(0o027)
    threading.setprofile(look_away)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: storage.write_bytes(tmp_path / name, b"x"), "abcdefgh"))
        after = os.umask(0o027)
    finally:
        threading.setprofile(None)
        os.umask(before)
    assert after == 0o027
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_a_relative_path_lies_in_the_folder_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("a/b.mid") == str(tmp_path / "a/b.mid") == storage.absolute("b.mid", "a")
    assert storage.absolute("b.mid", "s3://bucket/orders") == "s3://bucket/orders/b.mid"
    assert storage.absolute("s3://bucket/b.mid", "/x") == "s3://bucket/b.mid"
    assert storage.absolute("/y/b.mid", "/x") == "/y/b.mid"
