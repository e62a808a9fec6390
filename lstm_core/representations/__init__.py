"""Scores become K parallel streams of integers, and what a model is told besides them."""
