"""What the transcriber is made of: spectrogram, network, notes, beats, beat grid, roles."""
