"""Orders that start from a track of a catalogue."""
