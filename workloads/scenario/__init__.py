"""Scenarios: networks that run in turn, by chance, in loops, or at the same time."""
