"""Stage 2: feature blocks to a checkpoint."""
