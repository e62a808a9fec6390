"""A score becomes audio: SoundFonts, voices, reverb, limiter, loudness, dither, loop seam, file formats."""
