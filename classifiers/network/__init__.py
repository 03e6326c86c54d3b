"""The network of a classifier: its layers, its file, and the published one.

This package imports no other package of `classifiers`. `WideResNet`, `Model`
and `ModelSpec`, `save_model` and `load_model` are public.
"""
