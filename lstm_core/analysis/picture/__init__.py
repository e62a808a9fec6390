"""The picture of an analysis: what stands where on it, its lanes and its labels."""
