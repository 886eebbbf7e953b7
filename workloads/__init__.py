"""What runs: networks as graphs of layers, their loaders, and the zoo."""
