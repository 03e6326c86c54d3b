"""The training of a network: settings, steps, epochs and checkpoints.

It may import `network`, `defence` and `classifiers.data`. `train`, `Trainer`,
`TrainConfig` and `PRESETS` are for the commands.
"""
