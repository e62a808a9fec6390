"""Corpus to parts to feature blocks: Arrow files of pieces with an index; duplicates and rejects."""
