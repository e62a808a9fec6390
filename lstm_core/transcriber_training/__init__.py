"""How the transcriber is trained: scores become degraded audio with known notes."""
