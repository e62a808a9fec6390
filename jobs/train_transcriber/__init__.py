"""The transcriber's own training."""
