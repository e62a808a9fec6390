"""Constraints and a model become events: masks, choosers, sampling, many tracks in lock step."""
