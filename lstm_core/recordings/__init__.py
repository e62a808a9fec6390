"""Recordings of any codec in: samples, facts of the file, quality, fingerprints."""
