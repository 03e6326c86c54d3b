"""Evaluation: the accuracy of a classifier, and how certain it is.

This package may import `network`, `defence` and `classifiers.data`.
`accuracy_of` is public.
"""
