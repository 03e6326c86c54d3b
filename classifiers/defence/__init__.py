"""The defence: it composes the LINAC transform and a network.

This package may import `network` and `transforms`. `DefendedClassifier` and
its undefended counterpart, `UndefendedClassifier`, are public.
"""
