"""Keys and scales by name."""

from __future__ import annotations

import re

KEY_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "chromatic": tuple(range(12)),
}  # semitones above the tonic
LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_KEY = re.compile(r"^([a-g])\s*(#|b|-?sharp|-?flat|♯|♭)?\s*(m|min|minor|maj|major)?$", re.IGNORECASE)


def parse_key(text: str) -> int:
    """0..11 for a major key from C up, 12..23 for a minor one, of a name such as "F# minor", "Bb" or "Am".

    Raises:
        ValueError: it is no key.
    """
    found = _KEY.match(text.strip())
    if found is None:
        raise ValueError(
            f'"{text}" is no key. Write a tonic ({", ".join(KEY_NAMES)}) and "major" or "minor", '
            'for example "F# minor".'
        )
    letter, accidental, mode = found.groups()
    step = {"": 0, "#": 1, "♯": 1, "sharp": 1}.get((accidental or "").lower().lstrip("-"), -1)
    tonic = (LETTERS[letter.lower()] + step) % 12
    is_minor = mode is not None and (mode == "m" or mode.lower().startswith("min"))
    return tonic + 12 * is_minor


def has_mode(text: str) -> bool:
    """Whether the name of a key states major or minor, as "F# minor" and "Am" do and "F#" does not."""
    found = _KEY.match(text.strip())
    return found is not None and found[3] is not None


def key_in_scale(key: int, scale: str) -> int:
    """The key of the same tonic whose third the scale holds; `key` itself where it holds both thirds or is ""."""
    thirds = {3, 4}.intersection(SCALES[scale]) if scale else {3, 4}
    return key if len(thirds) != 1 else key % 12 + 12 * (thirds == {3})


def key_name(key: int) -> str:
    """Name of key 0..23, such as "F# minor"."""
    return f"{KEY_NAMES[key % 12]} {'minor' if key >= 12 else 'major'}"


def num_sharps(key: int) -> int:
    """Sharps of the signature of key 0..23, -5 to 6, flats below 0."""
    major = (key + 3 * (key >= 12)) % 12
    return (7 * major + 5) % 12 - 5


def home_shift(key: int | None) -> int:
    """Semitones, -6 to 5, that take a key to the home key of its mode: C major or A minor. 0 for no key."""
    if key is None:
        return 0
    home = 9 if key >= 12 else 0
    return (home - key % 12 + 6) % 12 - 6


def scale_pitch_classes(key: int, scale: str) -> frozenset[int]:
    """Pitch classes of a scale on the tonic of a key; scale "" is the one of the key's mode."""
    steps = SCALES[scale or ("minor" if key >= 12 else "major")]
    return frozenset((key % 12 + step) % 12 for step in steps)


def tonic_chord(key: int, scale: str) -> frozenset[int]:
    """Pitch classes of the chord that a track in this key and scale ends on: those of its triad that the scale has."""
    tonic, third = key % 12, 3 if key >= 12 else 4
    return frozenset((tonic + step) % 12 for step in (0, third, 7)) & scale_pitch_classes(key, scale)
