"""`make demo`: all stages on a corpus made on the spot."""
