"""PyTorch's exported programs as networks. ``workloads/loaders/TORCH.md`` says what is read."""
