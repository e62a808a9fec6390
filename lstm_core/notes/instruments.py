"""Names of instruments as orders use them: General MIDI families, programs by name or number, and drums."""

from __future__ import annotations

import difflib
import re

from lstm_core.notes.score import DRUMS, FAMILIES

PROGRAM_NAMES = tuple(
    name.strip()
    for name in (
        "acoustic grand piano, bright acoustic piano, electric grand piano, honky-tonk piano, electric piano 1, "
        "electric piano 2, harpsichord, clavinet, celesta, glockenspiel, music box, vibraphone, marimba, xylophone, "
        "tubular bells, dulcimer, drawbar organ, percussive organ, rock organ, church organ, reed organ, accordion, "
        "harmonica, bandoneon, nylon guitar, steel guitar, jazz guitar, clean guitar, muted guitar, overdriven guitar, "
        "distortion guitar, guitar harmonics, acoustic bass, fingered bass, picked bass, fretless bass, slap bass 1, "
        "slap bass 2, synth bass 1, synth bass 2, violin, viola, cello, contrabass, tremolo strings, "
        "pizzicato strings, harp, timpani, string ensemble 1, string ensemble 2, synth strings 1, synth strings 2, "
        "choir aahs, voice oohs, synth voice, orchestra hit, trumpet, trombone, tuba, muted trumpet, french horn, "
        "brass section, synth brass 1, synth brass 2, soprano sax, alto sax, tenor sax, baritone sax, oboe, "
        "english horn, bassoon, clarinet, piccolo, flute, recorder, pan flute, blown bottle, shakuhachi, whistle, "
        "ocarina, square lead, sawtooth lead, calliope lead, chiff lead, charang lead, voice lead, fifths lead, "
        "bass lead, new age pad, warm pad, polysynth pad, choir pad, bowed pad, metallic pad, halo pad, sweep pad, "
        "rain, soundtrack, crystal, atmosphere, brightness, goblins, echoes, sci-fi, sitar, banjo, shamisen, koto, "
        "kalimba, bagpipe, fiddle, shanai, tinkle bell, agogo, steel drums, woodblock, taiko drum, melodic tom, "
        "synth drum, reverse cymbal, guitar fret noise, breath noise, seashore, bird tweet, telephone ring, "
        "helicopter, applause, gunshot"
    ).split(",")
)  # the 128 programs of General MIDI Level 1
MAX_PLAYERS = 8  # of one name in an order


# Lowest and highest MIDI pitch that players and arrangers use of each program: of acoustic instruments the ranges of
# orchestration books, of synthesizers where their General MIDI sounds are used.
PROGRAM_RANGES = tuple(
    bounds
    for bounds, count in (
        ((24, 105), 6), ((29, 89), 1), ((36, 84), 1),  # pianos, harpsichord, clavinet
        ((60, 108), 3), ((53, 89), 1), ((45, 96), 1), ((65, 108), 1), ((60, 77), 1), ((48, 84), 1),  # bells and bars
        ((36, 96), 5), ((53, 89), 1), ((60, 84), 1), ((48, 84), 1),  # organs, accordion, harmonica, bandoneon
        ((40, 84), 2), ((40, 86), 6),  # guitars
        ((28, 60), 8),  # basses
        ((55, 96), 1), ((48, 84), 1), ((36, 74), 1), ((28, 60), 1), ((28, 96), 2), ((28, 100), 1),
        ((36, 57), 1),  # bowed strings, harp, timpani
        ((28, 96), 4), ((40, 81), 3), ((36, 84), 1),  # string ensembles, voices, orchestra hit
        ((55, 84), 1), ((40, 72), 1), ((28, 55), 1), ((55, 82), 1), ((41, 77), 1), ((36, 86), 3),  # brass
        ((56, 88), 1), ((49, 81), 1), ((44, 76), 1), ((36, 69), 1),  # saxophones
        ((58, 89), 1), ((52, 81), 1), ((34, 72), 1), ((50, 91), 1),  # oboe, English horn, bassoon, clarinet
        ((74, 105), 1), ((60, 96), 7),  # piccolo, flutes and pipes
        ((36, 96), 7), ((28, 72), 1),  # leads, the last with a bass
        ((36, 96), 8), ((36, 96), 8),  # pads, effects
        ((48, 84), 3), ((43, 84), 1), ((60, 84), 1), ((48, 84), 1), ((55, 96), 1), ((53, 84), 1),  # ethnic
        ((60, 96), 2), ((52, 84), 1), ((36, 84), 5), ((24, 108), 8),  # percussive, sound effects
        ((0, 127), 1),  # drums: their pitch is a key
    )
    for _ in range(count)
)  # fmt: skip


def programs_of(name: str) -> tuple[int, ...]:
    """General MIDI programs (or DRUMS) that a name of an order stands for.

    A family of notes.FAMILIES stands for its eight programs, a program name or number for itself.

    Raises:
        ValueError: nothing has that name; the message offers the nearest ones.
    """
    wanted = name.strip().lower()
    if wanted == "drums":
        return (DRUMS,)
    if wanted in FAMILIES:
        first = 8 * FAMILIES.index(wanted)
        return tuple(range(first, first + 8))
    if wanted in PROGRAM_NAMES:
        return (PROGRAM_NAMES.index(wanted),)
    if wanted.isdecimal() and int(wanted) < 128:
        return (int(wanted),)
    near = difflib.get_close_matches(wanted, [*FAMILIES, *PROGRAM_NAMES], n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise ValueError(
        f'"{name}" is no known instrument.{hint} Use a family ({", ".join(FAMILIES)}), '
        "a General MIDI program name or its number 0 to 127."
    )


def parse_instrument(name: str) -> tuple[tuple[int, ...], int]:
    """Programs that a name with a number of players stands for, and that number: 1 for "strings", 3 for "strings*3".

    Raises:
        ValueError: nothing has that name, or the number is not 1 to MAX_PLAYERS; there is one drum kit.
    """
    base, star, count = (part.strip() for part in name.partition("*"))
    programs = programs_of(base)
    if not star:
        return programs, 1
    if re.fullmatch(r"[0-9]{1,9}", count) is None:
        raise ValueError(f'"{name}" gives no number of players after the *. Write, for example, "{base}*3".')
    if not 1 <= int(count) <= MAX_PLAYERS:
        raise ValueError(
            f'"{name}" requests {int(count)} players of one instrument, it must be 1 to {MAX_PLAYERS}. '
            + ("Leave the name out for none." if int(count) == 0 else f'Write, for example, "{base}*{MAX_PLAYERS}".')
        )
    if programs == (DRUMS,) and int(count) > 1:
        raise ValueError(f'"{name}" requests {int(count)} drum kits, there is one. Write "drums".')
    return programs, int(count)


def instrument_name(program: int) -> str:
    """Name of a General MIDI program, or "drums"."""
    return "drums" if program == DRUMS else PROGRAM_NAMES[program]
