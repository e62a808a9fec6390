"""MusicXML in, read here where it is of the common kind; other files are read by music21 (notation.py)."""
