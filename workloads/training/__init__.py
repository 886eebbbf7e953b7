"""A network's forward pass becomes one training step: backward pass and optimizer as layers."""
