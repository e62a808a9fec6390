"""Layers of a track, which a game fades between."""
