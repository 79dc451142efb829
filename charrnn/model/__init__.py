"""The network, in PyTorch for training and in NumPy for sampling."""
