"""Whether music is a copy: runs of notes of its lines, and an index of all runs of a corpus."""
