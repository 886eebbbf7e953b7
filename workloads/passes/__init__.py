"""Rewrites of a network before it is mapped."""
