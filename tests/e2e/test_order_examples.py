"""Every example of docs/orders.md and the README is made, passes its gates and says in its record what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.catalogue.records import TrackRecord
from tests.e2e.order_examples import (
    DOCUMENT,
    PICTURES,
    README,
    README_SECTION,
    Example,
    documents_with_ids,
    examples,
    make,
    order_of,
    order_of_rows,
    write_files,
)

GATES = {
    "form": "asked_form",
    "variation": "varied_least",
    "chords": "asked_chords",
    "roles": "other_roles",
    "instruments": "missing_players",
    "ensemble": "missing_players",
    "hits": "hits",
    "melody": "melody_kept",
    "layers": "layers_peak",
    "bars": "kept",
    "parts": "changed",
    "between": "last_apart",
}  # that measure what a field asks
KEPT = {
    "form": "form",
    "loop_start": "loop_start_sample",
    "tempo_changes": "tempos",
    "rit": "tempos",
    "fermata": "tempos",
    "key_changes": "keys",
    "meter_changes": "meters",
    "layers": "layers",
}  # what a record has of a field beside the row
ONLY_READ = {"hits_fps", "transitions"}  # the row of a record does not keep them: they have done their work
MOST_BYTES = 1_500_000  # of all pictures


def test_every_field_has_an_example_and_a_picture() -> None:
    text = DOCUMENT.read_text()
    found = examples(text)
    sections = {line[3:] for line in text.splitlines() if line.startswith("## ")}
    assert sections == {example.section for example in found if example.picture} - {"all fields"}
    drawn = {path.stem: path.stat().st_size for path in PICTURES.glob("*.png")}
    assert {example.picture for example in found if example.picture} == set(drawn)
    assert sum(drawn.values()) < MOST_BYTES


def test_the_readme_directs_in_six_short_orders() -> None:
    text = README.read_text()
    blocks = text.split(f"## {README_SECTION}\n")[1].split("\n## ")[0].split("```toml\n")[1:]
    assert len(blocks) == 6 and all(len(block.split("```")[0].splitlines()) <= 10 for block in blocks)


def missing(example: Example, records: list[TrackRecord]) -> set[str]:
    """What an example asks that no record of it has: fields of the row, measurements, gates."""
    rows = {field for record in records for field in record.order} | ONLY_READ
    gates = {gate.name for record in records for gate in record.gates}
    fields = example.asked - {"name", "count"}
    lacking = {field for field in fields if field not in rows or GATES.get(field, "length") not in gates}
    has = {KEPT[field] for field in fields & set(KEPT)}
    return lacking | {name for name in has if all(getattr(record, name) is None for record in records)}


@pytest.mark.slow
def test_every_example_is_made_as_it_is_printed(tmp_path: Path) -> None:
    write_files(tmp_path)
    text, readme = documents_with_ids(tmp_path)
    found = examples(text) + [example for example in examples(readme) if example.section == README_SECTION]
    order, places = order_of(found, tmp_path)
    result = make(order, tmp_path)
    assert result.failures == [] and len(result.records) >= len(order.planned)
    for record in result.records:
        assert all(gate.is_passed for gate in record.gates), record.name
    for example, own in zip(found, places, strict=True):
        assert missing(example, [result.records[place] for place in own]) == set(), example.section
    names = {record.name for record in result.records[len(order.planned) :]}
    assert {"meadow-002-to-001", "boss-003-layer-2-to-3"} <= names
    rows = make(order_of_rows(text, tmp_path), tmp_path)
    assert rows.failures == [] and len(rows.records) == 1 and rows.records[0].num_bars > 0
