"""Cut lists made by hand, whose seconds are known."""

from __future__ import annotations

import pytest

from lstm_core.orders.timing.cut_list import read_cut_list

HEAD = "TITLE: TEASER\n"
SOURCE = "00:00:05:00 00:00:09:00"


def edl(*record_ins: str, fcm: str = "", head: str = HEAD) -> bytes:
    """An EDL with an event for each record-in, and the lines that editors put between."""
    lines = [head + (f"FCM: {fcm}" if fcm else "")]
    for number, record_in in enumerate(record_ins, start=1):
        lines.append(f"{number:03d}  AX       V     C        {SOURCE} {record_in} 01:59:59:00 ")
        lines.append("* FROM CLIP NAME: A SHOT.MOV\nM2   AX   025.0   00:00:05:00")
    return "\r\n".join(lines).encode()


def test_record_ins_count_from_the_first_event() -> None:
    data = edl("01:00:00:00", "01:00:10:12", "01:00:31:06", fcm="NON-DROP FRAME")
    assert read_cut_list(data, "cut.EDL", "24") == (0.0, 10.5, 31.25)
    assert read_cut_list(data, "cut.edl", "25") == (0.0, 10.48, 31.24)
    assert read_cut_list(data, "cut.edl", "23.976") == (0.0, 10.5105, 31.28125)
    assert read_cut_list(data, "cut.edl", "29.97") == (0.0, round(312 * 1001 / 30000, 6), round(936 * 1001 / 30000, 6))


def test_drop_frame_is_said_by_the_fcm_line_or_by_semicolons() -> None:
    seconds = (0.0, 1800 * 1001 / 30000, 17982 * 1001 / 30000)  # frames by the table of test_timecode.py
    for data in (
        edl("00:00:00:00", "00:01:00:02", "00:10:00:00", fcm="DROP FRAME"),
        edl("00:00:00;00", "00:01:00;02", "00:10:00;00", fcm="DROP FRAME"),
        edl("00:00:00;00", "00:01:00;02", "00:10:00;00"),
    ):
        assert read_cut_list(data, "cut.edl") == pytest.approx(seconds, abs=1e-6)
        assert read_cut_list(data, "cut.edl", "29.97df") == pytest.approx(seconds, abs=1e-6)
    colons = edl("00:00:00:00", "00:01:00:02")
    assert read_cut_list(colons, "cut.edl", "29.97df") == pytest.approx(seconds[:2], abs=1e-6)
    assert read_cut_list(colons, "cut.edl", "29.97") == pytest.approx((0.0, 1802 * 1001 / 30000), abs=1e-6)


def test_a_dissolve_and_its_sound_are_one_hit() -> None:
    """Two lines of one event, and the sound of the same cut, have one record-in."""
    lines = [
        f"001  AX V C {SOURCE} 00:00:00:00 00:00:04:00",
        f"002  AX V C {SOURCE} 00:00:04:00 00:00:04:00",
        f"002  BX V D 024 {SOURCE} 00:00:04:00 00:00:09:00",
        f"003  BX AA/V W001 025 {SOURCE} 00:00:09:00 00:00:12:00",
        f"004  BX A C {SOURCE} 00:00:04:00 00:00:09:00",
    ]
    assert read_cut_list("\n".join(lines).encode("latin-1"), "a.edl", "25") == (0.0, 4.0, 9.0)


@pytest.mark.parametrize(
    ("data", "fps", "message"),
    [
        (edl("00:00:00:00"), "", "line 3 does not say its frame rate: write hits_fps"),
        (edl("00:00:00:00", fcm="NON-DROP FRAME"), "", "line 2 does not say its frame rate: write hits_fps"),
        (edl("00:00:00:00", fcm="DROP FRAME"), "25", "line 2 says drop frame, which is counted at 29.97 alone"),
        (edl("00:00:00:00", fcm="DROP FRAME"), "29.97ndf", 'line 2 says drop frame, but hits_fps is "29.97ndf"'),
        (edl("00:00:00:00", fcm="NON-DROP FRAME"), "29.97df", "line 2 says non-drop frame, but hits_fps"),
        (edl("00:00:00;00", fcm="NON-DROP FRAME"), "", "line 3: a semicolon means drop-frame, but line 2 says non"),
        (edl("00:00:00;00", "00:01:00;01"), "", "line 6: 00:01:00;01 does not exist in drop-frame"),
        (edl("00:00:00:00", "00:00:01:25"), "25", "line 6: 00:00:01:25 is no timecode at 25 frames"),
        (edl("00:00:09:00", "00:00:01:00"), "25", "line 6: record-in 00:00:01:00 lies before that of the first event"),
        (edl("00:00:00:00", fcm="DROP FRAME") + b"\nFCM: NON-DROP FRAME\n", "", "line 6: FCM changes .* from line 2"),
        (b"001 AX V C 00:00:05:00 00:00:09:00 00:00:00:00\n", "25", 'line 1: "001 AX V C .* does not hold four'),
        (b"TITLE: NOTHING\n", "25", "holds no events"),
        (b"", "25", "holds no events"),
    ],
)
def test_lists_that_cannot_be_read_say_where(data: bytes, fps: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_cut_list(data, "cut.edl", fps)


def test_markers_of_a_table() -> None:
    assert read_cut_list(b"31.0,door\n12.5,titles\n\n12.5,again\n", "m.csv") == (12.5, 31.0)
    assert read_cut_list("\ufeffname,Seconds\ndoor,31\ntitles,12.5\n".encode(), "m.csv") == (12.5, 31.0)
    assert read_cut_list(b"timecode,name\r\n00:00:12:12,x\r\n00:00:31:00,y\r\n", "m.csv", "24") == (12.5, 31.0)
    assert read_cut_list(b"00:01:00;02,x\n", "m.csv") == pytest.approx((60.06,))


@pytest.mark.parametrize(
    ("data", "fps", "message"),
    [
        (b"seconds,name\n12.5,a\nsoon,b\n", "", 'line 3: "soon" is no time. Write seconds such as 12.5'),
        (b"12.5,a\nnan,b\n", "", 'line 2: "nan" is no time'),
        (b"12.5,a\n-1,b\n", "", 'line 2: "-1" is no time'),
        (b"name,seconds\nx\n", "", 'line 2: "" is no time'),
        (b"00:00:12:12,x\n", "", "line 1 does not say its frame rate"),
        (b"00:00:12:30,x\n", "30", "line 1: 00:00:12:30 is no timecode at 30"),
        (b"seconds,name\n", "", "holds no markers"),
        (b"", "", "holds no markers"),
    ],
)
def test_tables_that_cannot_be_read_say_where(data: bytes, fps: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_cut_list(data, "m.csv", fps)
