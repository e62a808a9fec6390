"""MIDI that a notation program made of a page: what the page does not say is filled in as for other pages.

LilyPond plays a page without a tempo at 60 quarters per minute, without dynamics every note at one velocity, and
without instruments on a piano. Of 896 files of Mutopia these are 27 %, 69 % and 52 % (snapshot of November 2024); read
literally, a model would learn it.
"""

from __future__ import annotations

from dataclasses import replace

from lstm_core.notes.arrange import DEFAULT_PROGRAM, DEFAULT_TEMPO_BPM, OTHER_BPM, PARTS_BPM, arrange
from lstm_core.notes.midi import read_midi, write_midi
from lstm_core.notes.score import Score, Tempo, tidy

ENGRAVER_BPM = 60.0  # of LilyPond for a page without a tempo


def played(data: bytes, *, program: int | None) -> bytes:
    """The MIDI file with tempo, instruments and dynamics where its page has none; parts stay apart.

    Args:
        data: A MIDI file.
        program: Of the instrument that the piece is for, played where the file names none; None where it is for
            several: then `lstm_core.notes.arrange` chooses players.

    Raises:
        ScoreError: it cannot be read.
    """
    score = read_midi(data)
    is_unnamed = bool((score.notes["program"] == DEFAULT_PROGRAM).all())
    is_untimed = [tempo.bpm for tempo in score.tempos] in ([ENGRAVER_BPM], [DEFAULT_TEMPO_BPM])
    arranged = arrange(_at(score, DEFAULT_TEMPO_BPM) if is_untimed else score)
    if is_untimed and arranged.tempos[0].bpm == DEFAULT_TEMPO_BPM:  # chords are played: the rules leave the tempo
        arranged = _at(arranged, PARTS_BPM.get(str(score.meters[0]), OTHER_BPM["parts"]))
    if is_unnamed and program is not None:
        notes = arranged.notes.copy()
        notes["program"] = program
        arranged = replace(arranged, notes=tidy(notes))
    return write_midi(arranged, by_part=True)


def _at(score: Score, bpm: float) -> Score:
    return replace(score, tempos=(Tempo(tick=0, bpm=bpm),))
