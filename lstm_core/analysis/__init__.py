"""Analysis of a piece: chords, roles, melody, phrases and sections, energy."""
