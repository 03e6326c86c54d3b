"""The work of a worker process: read images, fit them, write whole shards.

It may import `dataset`, `plan` and `files`, and `transforms`, which fits.
"""
