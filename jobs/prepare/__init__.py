"""Stage 1: corpus to feature blocks."""
