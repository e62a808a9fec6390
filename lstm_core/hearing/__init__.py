"""What the transcriber is made of: spectrogram, networks, notes, beats, beat grid, roles, confidence."""
