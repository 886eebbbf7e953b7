"""The machine: its description, and its cycle-level model. Knows instructions, never layers."""
