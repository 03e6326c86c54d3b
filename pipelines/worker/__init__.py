"""What a worker process does: read images, fit them, write whole shards.

It may import `dataset` and `files`, and `transforms`, which does the fitting.
"""
