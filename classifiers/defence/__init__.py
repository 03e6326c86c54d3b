"""The defence: the LINAC transform followed by a network.

It may import `network` and `transforms`. `DefendedClassifier` is public.
"""
