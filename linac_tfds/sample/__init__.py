"""The dataset `sample`, in the folder layout that TFDS expects."""
