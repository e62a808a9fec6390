"""Stems become a master: mixed, with reverb, of exact length, at a given loudness, under a given true peak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.angles import cos_of, sin_of
from lstm_core.foundation.elementary.powers import exp10_of, log10_of
from lstm_core.foundation.errors import TonemillError
from lstm_core.notes.score import FAMILIES
from lstm_core.sound.audio import Waveform
from lstm_core.sound.dither import quantise
from lstm_core.sound.levelling import Levelled, Leveller
from lstm_core.sound.loops.joining import joined, joined_peak_dbtp
from lstm_core.sound.loudness import integrated_loudness, true_peak_dbtp
from lstm_core.sound.mixing import add_stem, fade_out, high_pass, high_passed, wrap
from lstm_core.sound.output_formats import output_format
from lstm_core.sound.reverb import REVERBS, convolve, impulse_response

LOW_CUT_HZ, CUT_HZ = 30.0, 90.0  # under these only rumble and mud
MIX_SAMPLES = 32768
FILTER_WARM_UP_S = 1.0  # a loop's filters start from where they are at its end; -190 dB is forgotten in this time


Stems = Mapping[str, Waveform] | Iterable[tuple[str, Waveform]]


@dataclass(frozen=True, kw_only=True)
class Intro:
    """What is played once before a loop."""

    stems: Stems
    num_samples: int  # after which the loop begins


@dataclass(frozen=True, kw_only=True)
class LayerStems:
    """What a layer adds to the one before it."""

    stems: Stems
    intro: Stems = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Level:
    """The music whose gain and limiting stems get, in place of those of their own master."""

    stems: Stems
    music_end: int | None = None
    intro: Intro | None = None


class MasteringError(TonemillError):
    """Settings that cannot be, or stems that cannot be mixed."""


@dataclass(frozen=True, kw_only=True)
class FamilyMix:
    """How an instrument family stands in the mix."""

    pan: float = 0.0  # -1 left .. 1 right, of the whole stereo stem
    gain_db: float = 0.0
    send: float = 1.0  # share that goes to the reverb, times reverb_level
    is_low: bool = False  # keeps its bass: cut at LOW_CUT_HZ in place of CUT_HZ


DEFAULT_MIX: dict[str, FamilyMix] = {
    "piano": FamilyMix(pan=-0.12, is_low=True),
    "chromatic": FamilyMix(pan=0.3, gain_db=-1.0),
    "organ": FamilyMix(pan=-0.2, gain_db=-2.0, is_low=True),
    "guitar": FamilyMix(pan=0.32, gain_db=-0.5, send=0.8),
    "bass": FamilyMix(send=0.15, gain_db=-1.0, is_low=True),
    "strings": FamilyMix(pan=-0.25, send=1.3),
    "ensemble": FamilyMix(gain_db=-1.5, send=1.3),
    "brass": FamilyMix(pan=0.22, gain_db=-1.0, send=1.2),
    "reed": FamilyMix(pan=-0.22),
    "pipe": FamilyMix(pan=0.18, send=1.2),
    "lead": FamilyMix(pan=0.08, gain_db=-2.0, send=0.8),
    "pad": FamilyMix(gain_db=-3.0, send=0.8),
    "effects": FamilyMix(pan=0.35, gain_db=-4.0),
    "ethnic": FamilyMix(pan=-0.35),
    "percussive": FamilyMix(pan=0.25, gain_db=-1.0, is_low=True),
    "sounds": FamilyMix(pan=-0.4, gain_db=-6.0),
    "drums": FamilyMix(send=0.4, gain_db=-1.0, is_low=True),
}


@dataclass(frozen=True, kw_only=True)
class MasterSettings:
    sample_rate: int = 44100  # Hz
    loudness_lufs: float = -16.0  # usual for games and video beds; streaming services sit at -14
    true_peak_dbtp: float = -1.0
    reverb: str = "studio"  # none, studio or hall
    reverb_level: float = 0.22  # energy of the reverb against that of what is sent to it, as an amplitude
    bit_depth: int = 16  # of the format's; 32 is float
    format: str = "flac"  # name in OUTPUT_FORMATS
    mix: dict[str, FamilyMix] = field(default_factory=lambda: dict(DEFAULT_MIX))  # by family; others as FamilyMix()

    def __post_init__(self) -> None:
        output_format(self.format, self.bit_depth)
        if not 22050 <= self.sample_rate <= 192000:
            raise MasteringError(f"sample_rate must be 22050..192000 Hz, got {self.sample_rate}")
        if not -40 <= self.loudness_lufs <= -8:
            raise MasteringError(f"loudness_lufs must be -40..-8, got {self.loudness_lufs}")
        if not -12 <= self.true_peak_dbtp <= 0:
            raise MasteringError(f"true_peak_dbtp must be -12..0, got {self.true_peak_dbtp}")
        if self.reverb != "none" and self.reverb not in REVERBS:
            raise MasteringError(f"reverb must be one of none, {', '.join(REVERBS)}, got {self.reverb!r}")
        if not 0 <= self.reverb_level <= 1:
            raise MasteringError(f"reverb_level must be 0..1, got {self.reverb_level}")
        if unknown := sorted(set(self.mix) - set(FAMILIES)):
            raise MasteringError(f"mix names unknown families {', '.join(unknown)}; there are {', '.join(FAMILIES)}")


@dataclass(frozen=True, kw_only=True)
class Master:
    waveform: Waveform  # float32 [2, num_samples], on the grid of the bit depth
    loudness_lufs: float  # integrated; over the seam if it loops as a whole
    true_peak_dbtp: float
    sample_peak_dbfs: float
    limited_db: float  # the most that the limiter takes off anywhere
    stems: dict[str, Waveform]  # with the master's gain, reverb and limiting: they sum to it; empty unless requested;
    # those of a `level` with its gain and limiting
    layers: tuple[Waveform, ...] = ()  # as long and with the same gain and limiting; the last one is the master itself


def master(
    stems: Stems,
    *,
    num_samples: int,
    loop: bool,
    seed: int,
    settings: MasterSettings,
    music_end: int | None = None,
    keep_stems: bool = False,
    intro: Intro | None = None,
    layers: Sequence[LayerStems] = (),
    level: Level | None = None,
) -> Master:
    """The finished track, exactly `num_samples` long.

    A loop's tail is added to its start and every filter, the reverb and the limiter run over the seam as over any other
    place, so that it plays as one endless piece. Any other track is faded to digital silence between the last release
    and its end. Silence stays silence, at -inf LUFS. An intro runs into a loop as `sound.loops.joining` says; the
    loudness is then that of both played once.

    Args:
        stems: float32 [2, S] by family, S at least `num_samples`, from `render_stems`; or pairs of name and stem one
            after another, from `iter_stems`, which are read once and not kept.
        num_samples: length of the track.
        loop: whether the end runs into the start.
        seed: of the dither.
        settings: what to aim for.
        music_end: sample at which the last note is released, if known; a fade starts no earlier.
        keep_stems: whether to return the stems too; needs them all at once.
        intro: what is played once before a loop; `stems` are then those of the loop alone.
        layers: what each layer adds, if there are any; all together they are `stems`, and the intro's. Of any fade
            between two of them the true peak is kept too (see `sound.layers.fades`).
        level: music as long, whose gain, limiting and fade the stems that are kept get.

    Raises:
        MasteringError: for stems that are too short, or that are to be kept but come one by one; for an intro of no
            length, before what is no loop, or that leaves none.
    """
    if num_samples < 1:
        raise MasteringError(f"a track needs at least one sample, got {num_samples}")
    if keep_stems and not all(isinstance(given, Mapping) for given in (stems, intro.stems if intro else {})):
        raise MasteringError("stems that are to be kept must be given all at once, as render_stems returns them")
    if intro and not (loop and 0 < intro.num_samples < num_samples):
        kind = "a loop" if loop else "no loop"
        raise MasteringError(f"an intro of {intro.num_samples} samples does not go before {kind} in {num_samples}")
    rate, loop_start = settings.sample_rate, intro.num_samples if intro else 0
    fit = _Fit(num_samples - loop_start, loop, settings, music_end)
    intro_fit = _Fit(loop_start, False, settings, None, fades=False)
    bus, intro_bus = _mix(stems, fit), _mix(intro.stems, intro_fit) if intro else None
    below = _layers_below(layers, bus, fit)
    intro_below = _layers_below([LayerStems(stems=layer.intro) for layer in layers], intro_bus, intro_fit)
    levelled = _levelled(bus, intro_bus, fit, below, intro_below)
    finished = levelled.waveform
    if np.isfinite(levelled.gain_db) and settings.bit_depth != 32:
        quantise(finished, settings.bit_depth, seed)
    del bus, intro_bus
    softer = [
        levelled.applied(layer, intro_below[number] if intro else None, rate) for number, layer in enumerate(below)
    ]
    for number, layer in enumerate(softer, start=1):
        if settings.bit_depth != 32:
            quantise(layer, settings.bit_depth, seed + number)
    kept: dict[str, Waveform] = {}
    if keep_stems:
        if level is not None:
            fit = replace(fit, music_end=level.music_end)
        applied = levelled
        if level is not None:
            before_loop = _mix(level.intro.stems, intro_fit) if level.intro else None
            applied = _levelled(_mix(level.stems, fit), before_loop, fit)
        own, before = dict(stems), dict(intro.stems) if intro else {}
        for name in own | before:
            part = _mix(_only(name, before), intro_fit) if intro else None
            kept[name] = applied.applied(_mix(_only(name, own), fit), part, rate)
    peak = float(max(finished.max(), -finished.min()))
    return Master(
        waveform=finished,
        loudness_lufs=levelled.loudness_lufs,
        true_peak_dbtp=joined_peak_dbtp(finished, loop_start) if intro else true_peak_dbtp(finished, is_loop=loop),
        sample_peak_dbfs=float(20 * log10_of(peak)) if peak > 0 else -np.inf,
        limited_db=levelled.limited_db,
        stems=kept,
        layers=(*softer, finished) if layers else (),
    )


@dataclass(frozen=True)
class _Fit:
    """What stems are fitted to."""

    num_samples: int
    loop: bool
    settings: MasterSettings
    music_end: int | None
    fades: bool = True  # to silence, if it is no loop


def _layers_below(layers: Sequence[LayerStems], bus: Waveform | None, fit: _Fit) -> list[Waveform]:
    """The mix of each layer but the last one, which is the mix of all, `bus`: float32 [2, num_samples] each."""
    mixes: list[Waveform] = []
    for layer in layers[:-1] if bus is not None else ():
        added = _mix(layer.stems, fit)
        mixes.append(mixes[-1] + added if mixes else added)
    return mixes


def _levelled(
    bus: Waveform,
    intro_bus: Waveform | None,
    fit: _Fit,
    below: Sequence[Waveform] = (),
    intro_below: Sequence[Waveform] = (),
) -> Levelled:
    """A mix, after that of an intro, at the requested loudness; silence at no gain. `below` are those of layers."""
    settings, rate = fit.settings, fit.settings.sample_rate
    mix = bus if intro_bus is None else joined(intro_bus, bus, rate)
    loudness = integrated_loudness(mix, rate, is_loop=fit.loop and intro_bus is None)
    if not np.isfinite(loudness):
        return Levelled(-np.inf, None, np.zeros_like(mix), loudness)
    del mix
    leveller = Leveller(
        bus,
        loudness,
        fit.loop,
        rate,
        settings.true_peak_dbtp,
        intro_bus,
        [*below, bus] if below else (),
        [*intro_below, intro_bus] if below and intro_bus is not None else (),
    )
    return leveller.level(settings.loudness_lufs)


def _only(name: str, stems: Mapping[str, Waveform]) -> dict[str, Waveform]:
    return {name: stems[name]} if name in stems else {}


def _mix(stems: Stems, fit: _Fit) -> Waveform:
    """All that is linear: pan, gain, high-pass, reverb, and the length of the track: float32 [2, num_samples]."""
    num_samples, loop, settings = fit.num_samples, fit.loop, fit.settings
    sums = _sums(stems, fit)
    bus = np.empty((2, num_samples), dtype=np.float32)
    warm_up = round(FILTER_WARM_UP_S * settings.sample_rate) if loop else 0
    fitted = wrap(sums[:4], num_samples) if loop else sums[:4, :num_samples]
    filters = np.stack([high_pass(hz, settings.sample_rate) for hz in (LOW_CUT_HZ, CUT_HZ)])
    high_passed(fitted, filters, warm_up, bus)
    if settings.reverb != "none":
        send = sums[4] if loop else sums[4, :num_samples]
        answer = convolve(send, impulse_response(settings.reverb, settings.sample_rate))
        bus += wrap(answer, num_samples) if loop else answer[:, :num_samples]
    if fit.fades and not loop:
        fade_out(bus, settings.sample_rate, fit.music_end)
    return bus


def _sums(stems: Stems, fit: _Fit) -> Waveform:
    """Left and right of the low families, of the others, and what goes to the reverb: float32 [5, S]."""
    sums = np.zeros((5, 0), dtype=np.float32)
    for together in [dict(stems)] if isinstance(stems, Mapping) else ({name: stem} for name, stem in stems):
        for name, stem in together.items():
            if not sums.size:
                sums = np.zeros((5, max(stem.shape[1], fit.num_samples)), dtype=np.float32)
            if stem.shape != (2, sums.shape[1]):
                wanted = f"{sums.shape[1]} samples, as long as the track or longer and as the others"
                raise MasteringError(f"stem {name!r} is {stem.shape}, a stereo stem is needed of {wanted}")
        for start in range(0, sums.shape[1], MIX_SAMPLES):  # so many of all sums stay in the cache of the core
            piece = slice(start, start + MIX_SAMPLES)
            for name, stem in together.items():
                family = fit.settings.mix.get(name, FamilyMix())
                left, right = sums[0 if family.is_low else 2, piece], sums[1 if family.is_low else 3, piece]
                add_stem(stem[0, piece], stem[1, piece], _gains(family, fit.settings), left, right, sums[4, piece])
    return sums if sums.size else np.zeros((5, fit.num_samples), dtype=np.float32)


def _gains(family: FamilyMix, settings: MasterSettings) -> npt.NDArray[np.float32]:
    """Gains to the left, to the right and, of the sum of both, to the reverb: float32 [3]. Panning keeps the power."""
    level = float(exp10_of(family.gain_db / 20))
    angle = (family.pan + 1) * np.pi / 4
    to_reverb = 0.5 * family.send * settings.reverb_level if settings.reverb != "none" else 0.0
    return (level * np.array([np.sqrt(2) * cos_of(angle), np.sqrt(2) * sin_of(angle), to_reverb])).astype(np.float32)
