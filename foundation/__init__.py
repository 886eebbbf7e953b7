"""What every room stands on: number types, errors, and input files read with their line numbers."""
