"""The plan of a piece: who plays, which bars repeat which, chords, energy, and which parts play in each bar."""
