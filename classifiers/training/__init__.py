"""Training of a network on the representations, or the images, of a dataset.

This package may import `network`, `defence` and `classifiers.data`. `Trainer`,
`TrainConfig` and `PRESETS` are public.
"""
