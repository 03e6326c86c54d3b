"""Attacks: searches for small changes of images that fool a classifier.

They may import `network`, `defence` and `classifiers.data`. `robustness`,
`objectives`, `bypass` and `balls` are for the commands.
"""
