"""TFLite files as networks. ``workloads/loaders/TFLITE.md`` says what is read and what isn't."""
