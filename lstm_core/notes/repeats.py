"""The order in which written bars are played: repeats, endings, Da Capo and Dal Segno.

Where signs contradict each other, every bar is played once, as written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lstm_core.foundation.errors import ScoreError

MAX_REPEATS = 8  # times a section is played, whatever the file says
MAX_PLAYED_BARS = 50_000  # repeats within repeats multiply
CODA, SEGNO, FINE = "coda", "segno", "fine"
_WORDS = {  # as printed, without spaces and dots, in lower case
    "coda": CODA,
    "tocoda": CODA,
    "alcoda": CODA,
    "segno": SEGNO,
    "fine": FINE,
    "alsegno": "ds",
    "dc": "dc",
    "dacapo": "dc",
    "dcalfine": "dc al fine",
    "dacapoalfine": "dc al fine",
    "dcalcoda": "dc al coda",
    "dacapoalcoda": "dc al coda",
    "ds": "ds",
    "dalsegno": "ds",
    "dsalfine": "ds al fine",
    "dalsegnoalfine": "ds al fine",
    "dsalcoda": "ds al coda",
    "dalsegnoalcoda": "ds al coda",
}
COMMANDS = frozenset(_WORDS.values()) - {CODA, SEGNO, FINE}


def sign_of(words: str) -> str | None:
    """CODA, SEGNO, FINE or one of COMMANDS where the words above a staff mean one of them, else None."""
    return _WORDS.get(words.strip().replace(" ", "").replace(".", "").lower()) if len(words) < 40 else None


@dataclass(kw_only=True)
class BarSigns:
    """What stands at the barlines of a bar, and the signs above it."""

    starts: bool = False  # a repeated section begins with this bar
    num_plays: int = 0  # of the section that ends with this bar; 0 where none ends
    is_final: bool = False  # a movement, or a part of one, ends with this bar
    signs: list[str] = field(default_factory=list)  # CODA, SEGNO, FINE, COMMANDS


def add_repeat(bars: Sequence[BarSigns], index: int, *, is_left: bool, is_start: bool, times: int | None) -> None:
    """Records a repeat sign at the left or the right barline of a bar; what concerns another bar is recorded there.

    Args:
        bars: All bars of the piece.
        index: Of the bar.
        is_left: Whether it stands at the left barline.
        is_start: Whether a section begins there; else one ends.
        times: That the section is played; None or invalid: twice. At most MAX_REPEATS.
    """
    if is_start:
        index += 0 if is_left else 1
        if index < len(bars):
            bars[index].starts = True
    else:
        index -= 1 if is_left else 0
        if index >= 0:
            bars[index].num_plays = min(times, MAX_REPEATS) if times and times > 0 else 2


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A bracket over bars that are played in some rounds of a repeat only."""

    first: int  # index of its first bar
    last: int
    numbers: tuple[int, ...]  # of the rounds


class _SenselessError(Exception):
    """The signs contradict each other."""


@dataclass(frozen=True, kw_only=True)
class _Bar:
    index: int
    starts: bool
    num_plays: int
    is_copy: bool = False  # made by unfolding: endings know the written bars only


def played_order(bars: Sequence[BarSigns], endings: Sequence[Ending]) -> list[int]:
    """Indices of the written bars in the order of playing; as written where the signs contradict each other.

    Sections are unfolded from the innermost outward. One without a beginning begins where the section or the movement
    before it ended. After a jump sections are not repeated, and of their endings the last is played. A jump back ends
    at the only Fine there is; then come the bars after the jump, which are another movement.

    Raises:
        ScoreError: more than MAX_PLAYED_BARS would be played.
    """
    written = list(range(len(bars)))
    try:
        groups = _grouped(endings)
        _check_endings(bars, groups)
        bars = _with_beginnings(bars, groups)
        sections = _sections(bars)
        if sections is None:
            return _unfolded(bars, written, groups)
        first, again, after = sections
        passed_over = {i for group in groups for ending in group[:-1] for i in range(ending.first, ending.last + 1)}
        order = _unfolded(bars, first, groups)
        order += [index for index in again if index not in passed_over]
        return order + _unfolded(bars, after, groups)
    except _SenselessError:
        return written


def _sections(bars: Sequence[BarSigns]) -> tuple[range, range, range] | None:
    """Bars up to the jump, bars that it leads back to, bars after those.

    None where no sign or several signs say to jump, or where the target of a Da Capo is ambiguous.
    """
    at: dict[str, list[int]] = {}
    for index, bar in enumerate(bars):
        for sign in dict.fromkeys(bar.signs):
            at.setdefault(sign, []).append(index)
    commands = [(index, sign) for sign in COMMANDS for index in at.get(sign, ())]
    if len(commands) != 1:
        return None
    jump, command = commands[0]
    codas, fines, segnos = at.get(CODA, []), at.get(FINE, []), at.get(SEGNO, [])
    is_sensible = (
        len(codas) == (2 if command.endswith("coda") else 0)
        and (len(fines) == 1 or not command.endswith("fine"))
        and (len(segnos) == 1 or command.startswith("dc"))
    )
    if not is_sensible:
        raise _SenselessError
    end = len(bars) - 1
    last = codas[0] if codas else fines[0] if len(fines) == 1 else end
    start = segnos[0] if command.startswith("ds") else _beginning(bars, min(last, jump))
    if command.startswith("dc") and start and len(fines) != 1:
        return None
    if not start <= last or (codas and codas[1] != jump + 1):
        raise _SenselessError
    return range(jump + 1), range(start, last + 1), range(jump + 1 if last < end else end + 1, end + 1)


def _beginning(bars: Sequence[BarSigns], index: int) -> int:
    """Index of the first bar of the movement, or of the part of one, that a bar belongs to."""
    return next((i + 1 for i in range(index - 1, -1, -1) if bars[i].is_final), 0)


def _grouped(endings: Sequence[Ending]) -> list[list[Ending]]:
    """The endings by the section they belong to; a number that comes again begins another."""
    groups: list[list[Ending]] = []
    seen: set[int] = set()
    for ending in sorted(endings, key=lambda ending: ending.first):
        if not groups or ending.numbers[0] in seen:
            groups.append([])
            seen = set()
        groups[-1].append(ending)
        seen.update(ending.numbers)
    return groups


def _check_endings(bars: Sequence[BarSigns], groups: list[list[Ending]]) -> None:
    """Raises _SenselessError when endings are not numbered in order, overlap, or are not closed by a repeat."""
    for group in groups:
        numbers = [number for ending in group for number in ending.numbers]
        edges = [index for ending in group for index in {ending.first, ending.last}]
        open_ones = group[:-1] if len(group) > 1 else group  # after the last the music may go on
        if (
            (len(group) > 1 and numbers != list(range(1, len(numbers) + 1)))
            or len(set(edges)) < len(edges)
            or any(not bars[ending.last].num_plays for ending in open_ones)
        ):
            raise _SenselessError


def _with_beginnings(bars: Sequence[BarSigns], groups: list[list[Ending]]) -> list[BarSigns]:
    """The bars with a beginning for every section that has none, and without beginnings of sections that never end."""
    later = {index for group in groups for ending in group[1:] for index in range(ending.first, ending.last + 1)}
    closed = [replace(bar) for bar in bars]
    opened: list[int] = []
    begin = 0  # of the section that has no sign for it
    for index, bar in enumerate(closed):
        if bar.starts:
            opened.append(index)
        if bar.num_plays and index not in later:
            if opened:
                opened.pop()
            else:
                closed[begin].starts = True
        if bar.num_plays or bar.is_final or index in later:
            begin = begin if opened else index + 1
    for index in opened:
        closed[index].starts = False
    return closed


def _unfolded(bars: Sequence[BarSigns], indices: range | list[int], groups: list[list[Ending]]) -> list[int]:
    """Indices of the bars as they are played when their repeats are."""
    row = [_Bar(index=i, starts=bars[i].starts, num_plays=bars[i].num_plays) for i in indices]
    done: set[int] = set()  # numbers of groups
    while span := _innermost(row):
        edges = {row[i].index for i in (span[0], span[-1]) if not row[i].is_copy}
        number = next(
            (n for n, group in enumerate(groups) if n not in done and any({e.first, e.last} & edges for e in group)),
            None,
        )
        if number is None:
            row[span[0] : span[-1] + 1] = _copies([row[i] for i in span], row[span[-1]].num_plays)
        else:
            done.add(number)
            row = _with_endings(row, span[0], groups[number])
        if len(row) > MAX_PLAYED_BARS:
            raise ScoreError(f"plays more than {MAX_PLAYED_BARS:,} bars, with its repeats; that is the limit")
    return [bar.index for bar in row]


def _innermost(row: list[_Bar]) -> range:
    """Positions of the first section that holds no other; empty where none is left."""
    start = 0
    for position, bar in enumerate(row):
        if bar.starts:
            start = position
        if bar.num_plays:
            return range(start, position + 1)
    return range(0)


def _with_endings(row: list[_Bar], start: int, group: list[Ending]) -> list[_Bar]:
    """The row with a section that begins at `start` played once for each number of each of its endings."""
    where = {bar.index: position for position, bar in enumerate(row) if not bar.is_copy}
    played: list[_Bar] = []
    passed_over: set[int] = set()
    last = start
    for ending in group:
        if ending.first not in where or ending.last not in where:
            raise _SenselessError
        first, last = where[ending.first], where[ending.last]
        played += _copies(
            [row[i] for i in range(start, last + 1) if i not in passed_over], min(len(ending.numbers), MAX_REPEATS)
        )
        passed_over.update(range(first, last + 1))
    return row[:start] + played + row[last + 1 :]


def _copies(section: list[_Bar], num_plays: int) -> list[_Bar]:
    plain = [_Bar(index=bar.index, starts=False, num_plays=0, is_copy=True) for bar in section]
    return plain * num_plays
