"""What changes where sections begin, beside the tempo: keys and meters."""
