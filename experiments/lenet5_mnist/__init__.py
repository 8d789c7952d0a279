"""LeNet-5-Caffe on MNIST against the published sizes."""
