"""The accuracy of a classifier on a split, with its confidence interval.

It may import `network`, `defence` and `classifiers.data`.
`correctly_classified` and `accuracy_of` are for the commands.
"""
