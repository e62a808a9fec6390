"""Time that moves: tempos by section, hits, slowing to the end, and the bars that they leave."""
