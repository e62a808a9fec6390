"""A run of training: batches of lanes, contexts, recipe, checkpoints by time, curves, baselines."""
