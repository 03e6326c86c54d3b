"""The canonical arithmetic: a fit whose bits are defined by its operations.

Whoever does its IEEE operations in their order gets the same bits on every
machine. The room imports only `linac_config` and modules of `transforms`.
"""
