"""Recordings in: files of any codec become samples, in a process that may die; what these samples are like."""
