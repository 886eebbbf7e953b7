"""ONNX files as networks. ``workloads/loaders/ONNX.md`` says what is read and what isn't."""
