"""MusicXML in, read by ourselves where it is of the common kind; what is not covered goes to music21 (notation.py)."""
