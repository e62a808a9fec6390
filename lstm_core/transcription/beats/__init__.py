"""Beats, bars and tempo of what was transcribed, and the notes put on them."""
