"""The tables of a SoundFont file, a RIFF form of type sfbk.

SoundFont Technical Specification 2.04 (E-mu Systems, 2006); section numbers here and in the files that build on this
are its. Version 3 files (MuseScore) differ in that each sample is an Ogg Vorbis stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.errors import SoundFontError
from lstm_core.sound.modulators import MODULATOR_DTYPE

# Generators by number, section 8.1.2. Times in timecents (1200 log2 of seconds), levels in centibels, pitch in cents.
NUM_GENERATORS = 61
START, END, LOOP_START, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
MOD_LFO_TO_PITCH, VIB_LFO_TO_PITCH, MOD_ENV_TO_PITCH, FILTER_CUTOFF, FILTER_Q = 5, 6, 7, 8, 9
MOD_LFO_TO_CUTOFF, MOD_ENV_TO_CUTOFF, END_COARSE, MOD_LFO_TO_VOLUME, PAN = 10, 11, 12, 13, 17
MOD_LFO_DELAY, MOD_LFO_RATE, VIB_LFO_DELAY, VIB_LFO_RATE = 21, 22, 23, 24
MOD_DELAY, MOD_ATTACK, MOD_HOLD, MOD_DECAY, MOD_SUSTAIN, MOD_RELEASE, KEY_TO_MOD_HOLD, KEY_TO_MOD_DECAY = range(25, 33)
VOL_DELAY, VOL_ATTACK, VOL_HOLD, VOL_DECAY, VOL_SUSTAIN, VOL_RELEASE, KEY_TO_VOL_HOLD, KEY_TO_VOL_DECAY = range(33, 41)
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, LOOP_START_COARSE, KEY, VELOCITY, ATTENUATION = 41, 43, 44, 45, 46, 47, 48
LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE, SAMPLE, SAMPLE_MODES, SCALE_TUNING = 50, 51, 52, 53, 54, 56
EXCLUSIVE_CLASS, ROOT_KEY = 57, 58

ROM_SAMPLE = 0x8000  # bits of a sample's kind
VORBIS_SAMPLE = 0x10
VORBIS_VERSION = 3

_PRESET = np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "<u4", 3)])
_INSTRUMENT = np.dtype([("name", "S20"), ("bag", "<u2")])
_BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
_GENERATOR = np.dtype([("number", "<u2"), ("amount", "<i2")])
_SAMPLE = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("pitch", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("kind", "<u2"),
    ]
)
_TABLES = {
    "phdr": _PRESET,
    "pbag": _BAG,
    "pmod": MODULATOR_DTYPE,
    "pgen": _GENERATOR,
    "inst": _INSTRUMENT,
    "ibag": _BAG,
    "imod": MODULATOR_DTYPE,
    "igen": _GENERATOR,
    "shdr": _SAMPLE,
}


@dataclass(frozen=True, eq=False)
class Sfbk:
    version: int
    pool: npt.NDArray[np.uint8]  # all samples as bytes, mapped from the file
    tables: dict[str, npt.NDArray[np.void]]  # by chunk name


def read_sfbk(path: Path) -> Sfbk:
    """The tables of a SoundFont file; its samples stay on disk.

    Raises:
        SoundFontError: when a table is missing.
    """
    file = np.memmap(path, dtype=np.uint8, mode="r")
    chunks: dict[str, npt.NDArray[np.uint8]] = {}
    for name, body in _chunks(file[12:]):
        if name == "LIST":
            chunks.update(_chunks(body[4:]))
    missing = [name for name in ("smpl", *_TABLES) if name not in chunks]
    if missing:
        raise SoundFontError(f"{path} is damaged: it has no {', '.join(missing)}. Use another copy of the SoundFont")
    tables = {
        name: np.frombuffer(chunks[name][: len(chunks[name]) // row.itemsize * row.itemsize].tobytes(), dtype=row)
        for name, row in _TABLES.items()
    }
    version = int.from_bytes(chunks["ifil"][:2].tobytes(), "little") if "ifil" in chunks else 2
    return Sfbk(version, chunks["smpl"], tables)


def default_generators() -> npt.NDArray[np.int32]:
    """Generators of an instrument that says nothing, section 8.1.3: int32 [NUM_GENERATORS]."""
    generators = np.zeros(NUM_GENERATORS, dtype=np.int32)
    generators[FILTER_CUTOFF] = 13500
    shortest = (MOD_LFO_DELAY, VIB_LFO_DELAY, *range(MOD_DELAY, MOD_DECAY + 1), MOD_RELEASE)
    generators[[*shortest, *range(VOL_DELAY, VOL_DECAY + 1), VOL_RELEASE]] = -12000
    generators[[KEY, VELOCITY, ROOT_KEY]] = -1
    generators[SCALE_TUNING] = 100
    return generators


def _chunks(data: npt.NDArray[np.uint8]) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    """Names and bodies of the RIFF chunks that stand one after another in `data`."""
    found: list[tuple[str, npt.NDArray[np.uint8]]] = []
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8].tobytes(), "little")
        found.append((data[at : at + 4].tobytes().decode("latin-1"), data[at + 8 : at + 8 + size]))
        at += 8 + size
        if size % 2 and not data[at : at + 4].tobytes().isalnum():
            at += 1  # RIFF pads to even lengths; MuseScore_General_Lite.sf3 forgets to
    return found
