"""The bytes of a recording as FFmpeg requests them: never more than requested, counted, errors kept."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from lstm_core.foundation.errors import RecordingError

HEAD_BYTES = 64 * 1024  # kept, for the message about a file that is no recording


class SourceFile:
    """A binary file behind FFmpeg. It has no name, so that content alone decides what it is.

    FFmpeg may take an error of a read for the end of the file: it is kept in `error`, for the decoder to raise.
    """

    def __init__(self, file: BinaryIO, *, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._position = 0
        self._is_seekable = _is_seekable(file)
        self.head = b""
        self.error: Exception | None = None
        self.size: int | None = None  # bytes, None where it is not known before the end
        if self._is_seekable:
            self.size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if self.size > max_bytes:
                raise too_big(self.size, max_bytes)

    def seekable(self) -> bool:
        """Whether seek works."""
        return self._is_seekable

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        try:
            data = self._file.read(size) or b""
        except Exception as error:
            self.error = error
            raise
        if len(data) > size:  # FFmpeg's buffer ends there
            self.error = ValueError(f"a file object gave {len(data)} bytes for {size}")
            raise self.error
        if self._position <= len(self.head) < HEAD_BYTES:
            self.head = self.head[: self._position] + data[: HEAD_BYTES - self._position]
        self._position += len(data)
        if self._position > self._max_bytes:
            self.error = too_big(self._position, self._max_bytes)
            raise self.error
        return bytes(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position in bytes from the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size or 0}[whence]
        try:
            self._position = self._file.seek(max(base + offset, 0))
        except Exception as error:
            self.error = error
            raise
        return self._position

    def tell(self) -> int:
        """Bytes from the start."""
        return self._position


def too_big(size_bytes: int, max_bytes: int) -> RecordingError:
    """The error for a file of so many bytes."""
    return RecordingError("decode", f"the file holds {size_bytes:,} bytes or more; at most {max_bytes:,} are allowed")


# The two content encryption objects of ASF, and its header (Microsoft, Advanced Systems Format, section 10).
_ASF_PROTECTION = (bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"), bytes.fromhex("14e68a292226174cb935dae07ee9289c"))
_ASF_START = bytes.fromhex("3026b2758e66cf11")


def is_protected_asf(head: bytes) -> bool:
    """Whether a file that begins so is a WMA file that cannot be decoded without a licence."""
    return head.startswith(_ASF_START) and any(mark in head for mark in _ASF_PROTECTION)


def stated_wav_duration(head: bytes) -> float | None:
    """Seconds that the header of a WAV file states; None for other files, and where a program never wrote them."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position, bytes_per_s = 12, 0
    while position + 8 <= len(head):
        name, size = head[position : position + 4], struct.unpack_from("<I", head, position + 4)[0]
        if name == b"data":
            is_known = bytes_per_s > 0 and 0 < size < 0xFFFFFF00  # programs that write a stream store 0 or the maximum
            return size / bytes_per_s if is_known else None
        if name == b"fmt " and position + 20 <= len(head):
            bytes_per_s = struct.unpack_from("<I", head, position + 16)[0]
        position += 8 + size + size % 2
    return None


def what_it_is(source: SourceFile, error: Exception) -> str:
    """Why FFmpeg could not open these bytes."""
    head = source.head[:4096]
    if not head:
        return "the file is empty (0 bytes)"
    text = head.decode("utf-8", errors="ignore")
    if len(text.encode()) > 0.99 * len(head) and all(letter.isprintable() or letter in _LAYOUT for letter in text):
        return f"is text, not audio; it begins with {' '.join(text[:40].split())!r}"
    if head[4:8] == b"ftyp":
        return "is an M4A file without an index, so cut short or damaged"
    reason = getattr(error, "strerror", None) or str(error)
    return f"is no audio that can be decoded ({reason}); it begins with the bytes {head[:8].hex(' ')}"


_LAYOUT = "\r\n\t\f\ufeff"  # letters of text that are not printable


def _is_seekable(file: BinaryIO) -> bool:
    try:
        return bool(file.seekable())
    except AttributeError:
        return False
