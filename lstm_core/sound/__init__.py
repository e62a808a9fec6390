"""SoundFonts, voices, room, limiter, loudness, dither, seam: what synthesis and mastering are made of."""
