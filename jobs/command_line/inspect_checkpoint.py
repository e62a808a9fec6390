"""`tonemill inspect` of a checkpoint and of the folder of a training run."""

from __future__ import annotations

from rich.table import Table

from jobs.command_line.screen import Screen, heading
from lstm_core import storage
from lstm_core.model.checkpoint import JSON_NAME, Checkpoint, load_checkpoint
from lstm_core.model.composer_checkpoint import LEVELS, is_composer, level_uris_of, load_composer
from lstm_core.model.music_lstm import num_weights
from lstm_core.training.metrics import read_metrics
from lstm_core.training.run_result import CHECKPOINT_NAME
from lstm_core.training.run_state import newest_state

MAX_VALIDATIONS = 12  # rows of the table of a run


def inspect_checkpoint(uri: str) -> None:
    """Prints what a checkpoint says of itself, having checked its weights."""
    checkpoint = load_checkpoint(uri)
    facts, settings = checkpoint.facts, checkpoint.model.settings
    console = Screen()
    console.print(heading("Checkpoint", f"{uri}"))
    rows = Table(show_header=False, box=None)
    valid = "" if facts.valid_nll is None else f", {facts.valid_nll:.4f} nats an event on validation pieces"
    rows.add_row("name", f"{facts.name}, step {facts.step:,}{valid}")
    rows.add_row("fingerprint", checkpoint.fingerprint)
    size = f"hidden size {settings.hidden_size}, {settings.num_layers} layers, heads of {settings.head_size}"
    rows.add_row("model", f"{num_weights(checkpoint.model):,} weights: {size}; the sha256 is right")
    streams = ", ".join(f"{stream.name} {stream.size}" for stream in settings.streams)
    rows.add_row("arithmetic", _arithmetic(checkpoint))
    rows.add_row("representation", f"{facts.representation}: {streams}")
    rows.add_row("corpus", facts.corpus_fingerprint)
    for parent in facts.parents:
        rows.add_row("fine-tuned from", parent)
    for licence, num_pieces in facts.licences.items():
        notice = " (its notice travels with the weights)" if licence in facts.notices else ""
        rows.add_row("licence", f"{licence} ({num_pieces:,} pieces){notice}")
    rows.add_row("made with", ", ".join(f"{name} {version}" for name, version in facts.versions.items()))
    console.print(rows)
    styles = Table("style", "pieces", "tempo, quarters a minute", "notes a quarter", "meters")
    for style, found in sorted(facts.statistics.items()):
        tempo, density = (f"{found[name][1]:.0f} to {found[name][3]:.0f}" for name in ("tempo_bpm", "density"))
        meters = sorted(found["meters"], key=lambda name: (-found["meters"][name], name))[:3]
        styles.add_row(style, f"{found['pieces']:,}", tempo, density, ", ".join(meters))
    console.print(styles)


def inspect_composer(uri: str) -> None:
    """Prints what the checkpoint of each level of a composer says of itself, having checked that they are a whole."""
    composer = load_composer(uri)
    console = Screen()
    console.print(heading("Composer", f"{uri}"))
    console.print(f"fingerprint {composer.fingerprint}")
    for level_uri in level_uris_of(uri).values():
        inspect_checkpoint(level_uri)


def inspect_levels(uri: str) -> None:
    """Prints how the training runs of all levels went, then the composer that they have made so far."""
    for level in LEVELS:
        level_uri = storage.join(uri, level)
        if read_metrics(level_uri):
            _print_run(level_uri)
        else:
            Screen().print(f"{level}: not begun")
    if is_composer(storage.join(uri, CHECKPOINT_NAME)):
        inspect_composer(storage.join(uri, CHECKPOINT_NAME))


def inspect_run(uri: str) -> None:
    """Prints how a training run went, then its checkpoint."""
    _print_run(uri)
    if storage.exists(storage.join(uri, CHECKPOINT_NAME, JSON_NAME)):
        inspect_checkpoint(storage.join(uri, CHECKPOINT_NAME))


def _arithmetic(checkpoint: Checkpoint) -> str:
    """What the weights are, and what is to be done where they cannot be played as they are."""
    if checkpoint.integers is not None:
        return "integers: the same notes on every machine"
    return (
        "floats, of an earlier version: convert it (python -m jobs.train.convert OLD NEW [BLOCKS]), or play it with "
        'arithmetic = "float32"'
    )


def _print_run(uri: str) -> None:
    console = Screen()
    console.print(heading("Training run", f"{uri}"))
    state = newest_state(uri)
    if state is None:
        console.print("no state: it was interrupted before the first, or its states were removed")
    else:
        step, facts = state
        how = "finished" if step == facts["num_steps"] else "not finished: go on with --resume"
        total = "a number not settled yet" if facts["num_steps"] is None else f"{facts['num_steps']:,}"
        console.print(f"step {step:,} of {total}, {how}")
    metrics = read_metrics(uri)
    validations = [row for row in metrics if row["kind"] == "valid" and row["nll"] is not None]
    table = Table("step", "nats an event", "of each stream")
    for row in validations[:: max(-(-len(validations) // MAX_VALIDATIONS), 1)]:
        table.add_row(f"{row['step']:,}", f"{row['nll']:.3f}", "  ".join(f"{nll:.3f}" for nll in row["nll_of_stream"]))
    for row in metrics:
        if row["kind"] == "baselines":
            for name in ("unigram", "bigram"):
                table.add_row(name, f"{sum(row[name]):.3f}", "  ".join(f"{nll:.3f}" for nll in row[name]))
    console.print(table)
