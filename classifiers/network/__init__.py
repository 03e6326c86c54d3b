"""The network of a classifier: its layers, its file and the published one.

It imports no other room of `classifiers`. `WideResNet`, `Model`, `ModelSpec`,
`load_model` and `save_model` are public.
"""
