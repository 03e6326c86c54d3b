"""The work of a worker process: read images, fit, write shards, count.

It may import `dataset`, `plan` and `files`, and `transforms`, which fits.
"""
