"""Altered files of every format through the isolated reader: scores that keep the laws, or a reason, and nothing else.

`python -m tests.lstm_core.test_reading_fuzz --count 10000` does the same for longer and prints what came out.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.reading import IsolatedReader
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo, make_notes

File = tuple[bytes, str]
NOT_ITS_FAULT = ("took longer", "needed more", "crashed")  # reasons that say that the reader's process was ended


def midi_seeds() -> list[File]:
    """Small MIDI files that between them use what the format has."""
    notes = make_notes(
        [(i * 6, 5 + i % 20, (0, 33, 48, DRUMS)[i % 4], 40 + i * 7 % 40, 1 + i % 127) for i in range(60)]
    )
    rich = Score(
        notes=notes,
        tempos=tuple(Tempo(tick=i * 30, bpm=80.0 + i) for i in range(4)),
        meters=(Meter(tick=0, numerator=3, denominator=4), Meter(tick=144, numerator=7, denominator=8)),
        title="Seed",
        tags={"copyright": "nobody", "text": "of the fuzzer"},
    )
    running = b"\0\xff\x51\3\x07\xa1\x20\0\xb0\7\x64\0\xe0\0\x40\0\xd0\x20\0\x90" + b"\x3c\x40\x30\x3c\0\0" * 30
    running += b"\0\xf0\5\x7e\x7f\x09\x01\xf7\0\xff\x59\2\0\0\0\xff\x05\2la\0\xb0\x40\x7f\x60\x40\0\0\xff\x2f\0"
    by_hand = b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(running).to_bytes(4, "big") + running
    riff = b"RIFF" + (len(by_hand) + 12).to_bytes(4, "little") + b"RMIDdata" + len(by_hand).to_bytes(4, "little")
    return [(write_midi(rich), ".mid"), (by_hand, ".kar"), (riff + by_hand, ".midi")]


def notation_seeds() -> list[File]:
    """Small files of MusicXML, ABC and Humdrum."""
    bar = "".join(
        f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>2</duration><voice>1</voice></note>"
        for step in "CEGA"
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>'
        'Flute</part-name></score-part></part-list><part id="P1"><measure number="1"><attributes><divisions>2'
        "</divisions><key><fifths>1</fifths></key><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
        f'{bar}</measure><measure number="2"><direction><direction-type><dynamics><f/></dynamics></direction-type>'
        f'<sound tempo="90"/></direction>{bar}<barline><repeat direction="backward"/></barline></measure></part>'
        "</score-partwise>"
    ).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("score.xml", xml)
    abc = (
        b'X:1\nT:Seed\nM:6/8\nL:1/8\nQ:3/8=100\nK:Dmix\n|:"D"dAF {g}(3GAB c|[1 [DFA]3- [DFA]z2:|[2 ~d>e_f =c\'^a,2|]\n'
    )
    krn = b"!!!OTL: Seed\n**kern\t**kern\n*M3/4\t*M3/4\n*k[f#]\t*k[f#]\n=1\t=1\n4C\t8cc\n.\t8dd\n[2.G\t4.b\n"
    krn += b".\t8a\n.\t4g\n=2\t=2\n2.G]\t12a\n.\t12b\n.\t12cc\n.\t2dd\n==\t==\n*-\t*-\n"
    return [(xml, ".musicxml"), (packed.getvalue(), ".mxl"), (abc, ".abc"), (abc + b"\n" + abc, ".abc"), (krn, ".krn")]


def altered(data: bytes, rng: random.Random) -> bytes:
    """The data with one to eight random changes: bits flipped, bytes put in, doubled, left out, or the end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        some = rng.choice((1, 1, 2, 4, 16))
        match rng.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                out[at:at] = rng.randbytes(some)
            case 3:
                out[at:at] = out[at : at + some * 4]
            case 4:
                del out[at : at + some]
            case 5 if rng.random() < 0.2:
                del out[at:]
    return bytes(out)


def altered_files(seeds: list[File], count: int, seed: int) -> Iterator[File]:
    """`count` altered seeds, taken in turn; one in a hundred under the suffix of another."""
    rng = random.Random(seed)
    for i in range(count):
        data, suffix = seeds[i % len(seeds)]
        yield altered(data, rng), rng.choice(seeds)[1] if rng.random() < 0.01 else suffix


def survey(files: Iterator[File], check: Callable[[Score], None], **limits: float) -> Counter[str]:
    """How many files gave scores and how many which kind of reason; every score is checked."""
    outcomes: Counter[str] = Counter()
    with IsolatedReader(**limits) as reader:  # type: ignore[arg-type]
        for result in reader.read_many(files):
            if isinstance(result, ScoreError):
                assert str(result)
                outcomes[next((start for start in NOT_ITS_FAULT if str(result).startswith(start)), "refused")] += 1
            else:
                for score in result:
                    check(score)
                outcomes["read"] += 1
    return outcomes


def test_10_000_altered_midi_files(assert_lawful: Callable[[Score], None]) -> None:
    outcomes = survey(altered_files(midi_seeds(), 10_000, seed=1), assert_lawful)
    assert outcomes.total() == 10_000
    assert set(outcomes) <= {"read", "refused"}, "symusic crashes or hangs on something new: look at what, and guard"
    assert min(outcomes["read"], outcomes["refused"]) > 1_000


def test_150_altered_files_of_notation(assert_lawful: Callable[[Score], None]) -> None:
    outcomes = survey(altered_files(notation_seeds(), 150, seed=2), assert_lawful, timeout_s=5.0)
    assert outcomes.total() == 150
    assert outcomes["read"] > 20 and outcomes["refused"] > 20


def main() -> None:
    from tests.lstm_core.conftest import check_laws

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seeds = midi_seeds() + notation_seeds()
    for suffix in sorted({suffix for _, suffix in seeds}):
        same = [file for file in seeds if file[1] == suffix]
        count = arguments.count * len(same) // len(seeds)
        start = time.monotonic()
        outcomes = survey(altered_files(same, count, arguments.seed), check_laws)
        took_s = round(time.monotonic() - start, 1)
        print(json.dumps({"suffix": suffix, "files": count, "seconds": took_s, **dict(sorted(outcomes.items()))}))


if __name__ == "__main__":
    main()
