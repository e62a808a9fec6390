"""Tunes that tracks accompany: what they are like, and how they stand in a track."""
