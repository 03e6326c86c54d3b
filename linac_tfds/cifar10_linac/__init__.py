"""The dataset `cifar10_linac`, in the folder layout that TFDS expects."""
