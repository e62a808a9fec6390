"""Pieces of blocks as the trainer reads them: lanes of windows, and statistics of a corpus."""
