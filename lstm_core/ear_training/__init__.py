"""How the transcriber learns: scores become spoiled audio with known notes, and that its lessons."""
