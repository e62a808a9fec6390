"""Everything of a training run: recipe, updates, workers, states, curves."""
