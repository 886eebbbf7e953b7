"""Networks from Caffe's prototxt files."""
