"""Recordings of any codec in: samples, what the file says of itself, quality, fingerprints."""
