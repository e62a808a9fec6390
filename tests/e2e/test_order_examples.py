"""Every example of docs/orders.md and the README is made, passes its gates and says in its record what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.order_examples import (
    DOCUMENT,
    PICTURES,
    README,
    README_SECTION,
    documents_with_ids,
    examples,
    make,
    order_of,
    order_of_rows,
    write_files,
)

FILES = ("melody", "hits", "from", "bridge", "between")  # fields that a record keeps as what was read
MOST_BYTES = 1_500_000  # of all pictures


def test_every_field_has_an_example_and_a_picture() -> None:
    text = DOCUMENT.read_text()
    found = examples(text)
    sections = {line[3:] for line in text.splitlines() if line.startswith("## ")}
    assert sections - {example.section for example in found if example.picture} == {"By section"}
    drawn = {path.stem: path.stat().st_size for path in PICTURES.glob("*.png")}
    assert {example.picture for example in found if example.picture} == set(drawn)
    assert sum(drawn.values()) < MOST_BYTES


def test_the_readme_directs_in_six_short_orders() -> None:
    text = README.read_text()
    blocks = text.split(f"## {README_SECTION}\n")[1].split("\n## ")[0].split("```toml\n")[1:]
    assert len(blocks) == 6 and all(len(block.split("```")[0].splitlines()) <= 10 for block in blocks)


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
        asked = {name.partition(".")[0] for group in example.groups for name in group} - {"name", "count"}
        kept = {name for place in own for name in result.records[place].order}
        assert asked - kept <= {"hits_fps", "transitions"}, example.section
    rows = make(order_of_rows(text, tmp_path), tmp_path)
    assert rows.failures == [] and len(rows.records) == 1 and rows.records[0].num_bars > 0
