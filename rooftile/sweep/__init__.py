"""Sweeps: many machines and networks at once, every result kept."""
