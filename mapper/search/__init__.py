"""The choice of a mapping: strategies that look through a map space, and what they optimise."""
