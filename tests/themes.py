"""A theme of two notes as a MIDI file, for orders that go on from one."""

from __future__ import annotations

_TRACK = bytes.fromhex("00ff580404021808 00903c50 8360803c00 00904050 8360804000 00ff2f00")  # 4/4, C and E
THEME = b"MThd" + bytes.fromhex("00000006 0000 0001 01e0") + b"MTrk" + len(_TRACK).to_bytes(4, "big") + _TRACK
