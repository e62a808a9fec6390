"""What a composer would note down of a piece: chords, roles, melody, phrases and sections, energy."""
