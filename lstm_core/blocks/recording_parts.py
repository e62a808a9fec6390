"""The first stage of `prepare` for recordings: a run of them becomes a part, as scores do in parts.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from lstm_core import storage
from lstm_core.blocks.duplicates import signature
from lstm_core.blocks.parts import (
    ROWS_SCHEMA,
    PartSummary,
    add_piece,
    encode_piece,
    part_schema,
    store_part,
    table_of,
)
from lstm_core.blocks.piece_fields import MEASURES
from lstm_core.foundation.errors import RecordingError, StorageError
from lstm_core.recordings.licences import licence_of_tags
from lstm_core.recordings.limits import TranscriptionLimits
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import Representation
from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source, Transcribed, measures_of


def make_recording_part(
    corpus_uri: str,
    files: pa.Table,
    folder_uri: str,
    listener: RecordingTranscriber,
    representations: Sequence[Representation] = (NOTES,),
) -> PartSummary:
    """Transcribes the recordings in some rows of a manifest, and stores the result as one part of a folder."""
    pieces, rows = recording_tables(corpus_uri, files, listener, representations)
    return store_part(files, folder_uri, pieces, rows)


def recording_tables(
    corpus_uri: str,
    files: pa.Table,
    listener: RecordingTranscriber,
    representations: Sequence[Representation] = (NOTES,),
) -> tuple[pa.Table, pa.Table]:
    """The pieces (`part_schema`) and rows (ROWS_SCHEMA) of the recordings in some rows of a manifest."""
    manifest = files.select(["path", "file_key", "etag", "size_bytes"]).to_pylist()
    pieces: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    found = listener.transcribe_many(_sources(corpus_uri, manifest, listener.limits))
    for file, transcribed in zip(manifest, found, strict=True):
        if not isinstance(transcribed, Transcribed):
            stage = transcribed.stage if isinstance(transcribed, RecordingError) else "fetch"
            rows.append({"file_key": file["file_key"], "stage": stage, "reason": str(transcribed)})
            continue
        piece, row = encode_piece(
            file["path"], file["file_key"], 0, transcribed.score, measures_of(transcribed), representations
        )
        if piece is not None:
            piece["audio_shingles"] = transcribed.fingerprint
            row["audio_signature"] = signature(transcribed.fingerprint).tobytes()
            row |= {name: piece[name] for name in MEASURES}
            row["tag_licence"] = licence_of_tags(transcribed.facts.tags)
        add_piece(pieces, rows, piece, row)
    return table_of(pieces, part_schema(representations)), table_of(rows, ROWS_SCHEMA)


def _sources(
    corpus_uri: str, manifest: list[dict[str, Any]], limits: TranscriptionLimits
) -> Iterator[Source | RecordingError | StorageError]:
    """The recordings in order; of a remote store the next one is fetched while one is transcribed."""
    if storage.local_path(corpus_uri) is not None:
        yield from (_source(corpus_uri, row, limits) for row in manifest)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="next-recording") as pool:
        ahead: Future[Source | RecordingError | StorageError] | None = None
        for row in [*manifest, None]:
            ready, ahead = ahead, pool.submit(_source, corpus_uri, row, limits) if row is not None else None
            if ready is not None:
                yield ready.result()


def _source(
    corpus_uri: str, row: dict[str, Any], limits: TranscriptionLimits
) -> Source | RecordingError | StorageError:
    """What the listener is given: a local file by its path, any other as a stream of ranges of the version listed."""
    if row["size_bytes"] > limits.max_bytes:
        return RecordingError("size", f"the file has {row['size_bytes']:,} bytes; the limit is {limits.max_bytes:,}")
    uri = storage.join(corpus_uri, row["path"])
    path = storage.local_path(uri)
    try:
        return Source(row["path"], path if path is not None else storage.open_stream(uri, etag=row["etag"]))
    except StorageError as error:
        return error
