"""Scores become K parallel streams of integers, and the contexts and conditions of a model."""
