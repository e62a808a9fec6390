"""MusicLSTM, its packed form for generation, checkpoints, and the base checkpoint."""
