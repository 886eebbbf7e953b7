"""Technology: published energies and areas, and their scaling between nodes."""
