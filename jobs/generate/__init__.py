"""Stage 3: an order and a checkpoint to a catalogue."""
