"""Chords by name: symbols such as "F#m7/A", and sequences of them over bars."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from lstm_core.notes.keys import KEY_NAMES, LETTERS

QUALITIES = ("maj", "min", "dim", "aug", "sus2", "sus4", "7", "maj7", "min7", "m7b5", "dim7", "5")
CHORD_STEPS = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 3, 6),
    (0, 4, 8),
    (0, 2, 7),
    (0, 5, 7),
    (0, 4, 7, 10),
    (0, 4, 7, 11),
    (0, 3, 7, 10),
    (0, 3, 6, 10),
    (0, 3, 6, 9),
    (0, 7),
)  # semitones above the root of each of QUALITIES
NO_CHORD = -1  # root, quality and bass where there is no chord
MAX_CHORD_BARS = 1000  # of a sequence
_SUFFIXES = ("", "m", "dim", "+", "sus2", "sus4", "7", "maj7", "m7", "m7b5", "dim7", "5")

_NOTE = r"[A-G][#b♯♭]?"
_SYMBOL = re.compile(rf"(?P<root>{_NOTE})(?P<suffix>.*?)(?:/(?P<bass>{_NOTE}))?")
_SUFFIX = re.compile(
    r"""
    (?P<third>  (?P<half>  ø7? | Ø7? | (?i:half-?dim7?) )
              | (?P<dim>   (?i:dim) | ° | º | o )
              | (?P<aug>   (?i:aug) | \+ )
              | (?P<min>   (?i:minor|min|mi(?!n)) | m(?!(?i:aj|a(?!dd))) | - | − ) )?
    (?P<maj>    (?i:major|maj|ma(?!dd|j)) | M | (?P<delta> Δ | △ | \^ ) )?
    (?P<number> 6/?9 | 13 | 11 | 9 | 7 | 6 | 5 )?
    (?P<changes> (?: (?i:sus)[24]? | (?i:add)[b\#]?(?:2|4|6|9|11|13) | (?i:no|omit)[35] | [b\#+-](?:5|9|11|13)
                   | (?i:alt) | (?i:aug) | \+ )* )
    """,
    re.VERBOSE,
)
_NO_CHORD_NAMES = ("N.C.", "N.C", "NC")
_OFFERED = (*_SUFFIXES, "m7/G", "/E", "aug", "°", "ø7", "Δ7", "sus", "add9", "6", "m6", "9", "maj9", "m9", "11", "13")


@dataclass(frozen=True)
class ChordSymbol:
    root: int  # pitch class or NO_CHORD
    quality: int  # index into QUALITIES or NO_CHORD
    bass: int  # pitch class or NO_CHORD; the root if the symbol names no other

    @property
    def name(self) -> str:
        """Such as "F#m7/A"."""
        return chord_name(self.root, self.quality, self.bass)

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Those of the chord, without a bass from outside it; none for no chord."""
        steps = () if self.root == NO_CHORD else CHORD_STEPS[self.quality]
        return frozenset((self.root + step) % 12 for step in steps)


ChordBar = tuple[ChordSymbol, ChordSymbol]  # of the first half of a bar and of the second


def chord_name(root: int, quality: int, bass: int) -> str:
    """Such as "F#m7/A"; "N.C." where there is none."""
    if root == NO_CHORD:
        return "N.C."
    slash = f"/{KEY_NAMES[bass]}" if bass not in (root, NO_CHORD) else ""
    return f"{KEY_NAMES[root]}{_SUFFIXES[quality]}{slash}"


def parse_chord(symbol: str) -> ChordSymbol:
    """The chord of a symbol in any of its usual spellings, such as C, Am, F#m7, Bbmaj7, CΔ7, C°, Cø7, C+, Csus, Dm7/G.

    A chord that is not one of QUALITIES becomes the nearest that is:

    - 9, 11, 13 and 7 with any change but a raised fifth are 7; maj9, maj11, maj13, maj7#11 and a lone Δ are maj7;
      m9, m11, m13 are min7.
    - 6, 6/9 and added tones (add9, add11) leave the triad: C6 is maj, Cm6 and Cmadd9 are min; so is Cm(maj7).
    - A raised fifth is aug, with a seventh or without: C7#5, Cmaj7#5. A lowered fifth counts in minor alone: Cmb5 is
      dim.
    - 7sus4, 9sus are sus4; 7sus2 is sus2; no3 is 5.
    - dim9 is dim7, dim(maj7) is dim; ø, with a number or without, is m7b5.

    "N.C." is no chord: NO_CHORD throughout.

    Raises:
        ValueError: it is no chord symbol that is known; the message names the nearest ones.
    """
    text = symbol.strip()
    if text in _NO_CHORD_NAMES:
        return ChordSymbol(NO_CHORD, NO_CHORD, NO_CHORD)
    chord = _read(text)
    if chord is None:
        raise ValueError(f'"{symbol}" is no known chord symbol. {_nearest(text)}')
    return chord


def parse_chord_sequence(text: str) -> list[ChordBar]:
    """The chords of each bar of a sequence: those of its first half and of its second.

    Without barlines each symbol is one bar: "Am F C G". With barlines a bar holds one symbol, or two of half a bar
    each: "Am F | C G/B | Am". "%" is the bar before once more. Commas and lone dashes between symbols are ignored,
    barlines at either end too.

    Raises:
        ValueError: a symbol is unknown, a bar is empty or holds more than two, or the first is "%"; there are no
            chords, or more than MAX_CHORD_BARS bars.
    """
    rows = [_symbols(bar) for bar in re.sub(r"\|+", "|", text).strip().strip("|").split("|")]
    if "|" not in text:
        rows = [[symbol] for symbol in rows[0]]
    if not any(rows):
        raise ValueError('There are no chords. Write symbols with spaces between them, such as "Am F C G".')
    if len(rows) > MAX_CHORD_BARS:
        raise ValueError(
            f"There are chords for {len(rows)} bars, at most {MAX_CHORD_BARS} are read; they are repeated."
        )
    bars: list[ChordBar] = []
    for number, row in enumerate(rows, start=1):
        if row == ["%"]:
            if not bars:
                raise ValueError('The first bar of the chords is "%", which repeats the bar before. Write a chord.')
            bars.append(bars[-1])
            continue
        if "%" in row:
            raise ValueError(
                f'Bar {number} of the chords is "{" ".join(row)}": "%" stands for a whole bar, alone in it.'
            )
        if not 1 <= len(row) <= 2:
            found = f'holds {len(row)} chords ("{" ".join(row)}")' if row else "is empty"
            raise ValueError(
                f"Bar {number} of the chords {found}; between two barlines stand one or two. "
                "Leave all barlines out for one chord a bar."
            )
        bars.append((parse_chord(row[0]), parse_chord(row[-1])))
    return bars


def _symbols(bar: str) -> list[str]:
    return [symbol for symbol in re.split(r"[\s,]+(?![^(]*\))", bar) if symbol not in ("", "-", "–")]


def _read(text: str) -> ChordSymbol | None:
    """The chord of a symbol, None if it is none."""
    symbol = _SYMBOL.fullmatch(text)
    found = _SUFFIX.fullmatch(re.sub(r"[(), ]", "", symbol["suffix"]).translate(_ACCIDENTALS)) if symbol else None
    if symbol is None or found is None:
        return None
    quality = _quality(found)
    root = _pitch_class(symbol["root"])
    bass = root if symbol["bass"] is None else _pitch_class(symbol["bass"])
    return None if quality is None else ChordSymbol(root, QUALITIES.index(quality), bass)


_ACCIDENTALS = str.maketrans({"♯": "#", "♭": "b"})


def _pitch_class(note: str) -> int:
    return (LETTERS[note[0].lower()] + {"": 0, "#": 1, "♯": 1}.get(note[1:], -1)) % 12


def _quality(found: re.Match[str]) -> str | None:
    """Name in QUALITIES of the parts of a suffix, None if they do not go together."""
    number, changes = found["number"] or "", found["changes"].lower()
    if number == "5" and (found["third"] or found["maj"] or changes):
        return None
    if "sus" in changes:
        return None if found["third"] else "sus2" if "sus2" in changes else "sus4"
    if number == "5" or "no3" in changes or "omit3" in changes:
        return "5"
    has_seventh = number in ("7", "9", "11", "13") or (number == "" and found["delta"] is not None)
    has_minor_seventh = has_seventh and not found["maj"]
    if found["half"]:
        return None if found["maj"] or number == "6" else "m7b5"
    if found["dim"]:
        return "dim7" if has_minor_seventh else "dim"
    if found["min"]:
        if re.search(r"[b-]5", changes):
            return "m7b5" if has_minor_seventh else "dim"
        return "min7" if has_minor_seventh else "min"
    if found["aug"] or re.search(r"#5|\+(?!\d)|\+5|aug", changes):
        return "aug"
    if has_seventh:
        return "maj7" if found["maj"] else "7"
    return "7" if "alt" in changes else "maj"


def _nearest(text: str) -> str:
    """What may have been meant, in a sentence."""
    capital = text[:1].upper() + text[1:]
    if capital != text and _read(capital) is not None:
        return f"Did you mean {capital}? Roots are capital letters."
    found = re.match(_NOTE, capital)
    roots = [found[0]] if found else list(KEY_NAMES)
    offered = [root + suffix for root in roots for suffix in _OFFERED]
    near = difflib.get_close_matches(capital, offered, n=3, cutoff=0.4)
    if near:
        return f"Did you mean {', '.join(near)}?"
    return f"Write a root (A to G, # or b) and one of {', '.join(filter(None, _SUFFIXES))}, such as Am, F#m7 or C/E."
