"""The recipe of `tonemill prepare`: what of it names the parts and the files, and what a change of it means."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.runtime.recipe import RECIPE_NAME, load_recipe, recipe_values
from lstm_core import storage
from lstm_core.blocks.assembly import SplitSettings
from lstm_core.blocks.corpus import Corpus, texts
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.blocks.parts import PARTS_VERSION, ReadLimits
from lstm_core.foundation.errors import TonemillError
from lstm_core.foundation.json_text import json_bytes
from lstm_core.recordings.limits import TRANSCRIPTION_VERSION, TranscriptionLimits
from lstm_core.recordings.recording import SUFFIXES as RECORDING_SUFFIXES
from lstm_core.representations.notes import NOTES
from lstm_core.representations.parts.parts import PARTS
from lstm_core.representations.plan.plan import PLAN
from lstm_core.representations.table import REPRESENTATIONS


@dataclass(frozen=True, kw_only=True)
class PrepareRecipe:
    """Settings of `tonemill prepare`."""

    styles_csv: str = ""  # path,style[,licence]; empty: CORPUS/styles.csv where it exists
    block_bytes: int = 128_000_000  # of a block at most
    limits: ReadLimits = field(default_factory=ReadLimits)
    listen: TranscriptionLimits = field(default_factory=TranscriptionLimits)
    transcriber: str = "base"  # URI of the network that transcribes recordings
    device: str = "cpu"  # that it runs on, or "cuda"
    # That every piece is stored in, as far as they can spell it.
    representations: tuple[str, ...] = (NOTES.name, PLAN.name, PARTS.name)
    split: SplitSettings = field(default_factory=SplitSettings)

    def __post_init__(self) -> None:
        if self.block_bytes < 1_000:
            raise ValueError(f"block_bytes is {self.block_bytes}, it must be at least 1,000")
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f'device is "{self.device}", it must be "cpu" or "cuda"')
        unknown = [name for name in self.representations if name not in REPRESENTATIONS]
        if unknown or not self.representations or len(set(self.representations)) < len(self.representations):
            raise ValueError(
                f"representations is {list(self.representations)}, it must name one or more of "
                f"{', '.join(REPRESENTATIONS)}, each once"
            )


def by_kind(files: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of a manifest that are scores, and those that are recordings."""
    is_recording = _is_recording(files)
    return files.filter(pc.invert(is_recording)), files.filter(is_recording)


def with_transcription(corpus: Corpus, recipe: PrepareRecipe) -> Corpus:
    """The corpus with the network and the limits of transcription in the keys of its recordings: with others they are
    other files. Scores keep theirs.

    Raises:
        CheckpointError: there are recordings, and no network to transcribe them.
    """
    manifest, is_recording = corpus.manifest, _is_recording(corpus.manifest)
    if not pc.any(is_recording).as_py():
        return corpus
    from lstm_core.transcription.transcriber_checkpoint import load_transcriber

    named = [TRANSCRIPTION_VERSION, load_transcriber(recipe.transcriber).fingerprint, asdict(recipe.listen)]
    salt = json_bytes(named).decode()
    keys = pa.chunked_array(
        [
            pa.array(hashlib.sha256(f"{key} {salt}".encode()).hexdigest()[:32] for key in batch["file_key"].to_pylist())
            for batch in manifest.select(["file_key"]).to_batches(max_chunksize=16_384)
        ],
        type=pa.string(),
    )
    place = manifest.schema.get_field_index("file_key")
    keys = pc.if_else(is_recording, keys, manifest["file_key"])
    return replace(corpus, manifest=manifest.set_column(place, "file_key", keys).combine_chunks())


def parts_fingerprint(recipe: PrepareRecipe) -> str:
    """Name of the folder of parts: another version of the code, other limits or representations have another one."""
    named = [PARTS_VERSION, *recipe.representations, asdict(recipe.limits)]
    return hashlib.sha256(json_bytes(named)).hexdigest()[:12]


def changes(recipe: PrepareRecipe, blocks_uri: str) -> list[str]:
    """What differs from the recipe that the folder was made with."""
    try:
        before = recipe_values(load_recipe(PrepareRecipe, storage.join(blocks_uri, RECIPE_NAME)))
        read_index(blocks_uri)
    except TonemillError:
        return []
    after = recipe_values(recipe)
    changed = [
        f"{key}.{name}" if isinstance(value, dict) else key
        for key, value in after.items()
        for name in (value if isinstance(value, dict) else [key])
        if (before.get(key, {}).get(name) != value[name] if isinstance(value, dict) else before.get(key) != value)
    ]
    if not changed:
        return []
    again = (
        " All scores were read again." if any(key.startswith(("limits.", "representations")) for key in changed) else ""
    )
    if any(key.startswith(("listen.", "transcriber", "representations")) for key in changed):
        again += " All recordings were transcribed again."
    return [f"The recipe differs from the one before in {', '.join(changed)}: this is a new set of blocks.{again}"]


def _is_recording(files: pa.Table) -> pa.Array:
    found = (path.lower().endswith(RECORDING_SUFFIXES) for path in texts(files["path"]))
    return pa.array(np.fromiter(found, dtype=bool, count=len(files)))
