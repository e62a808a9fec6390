"""Orders that start from tracks of a catalogue, or lead from one of these to another."""
