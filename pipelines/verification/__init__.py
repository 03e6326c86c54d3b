"""The checks that `python -m pipelines.verify` makes of a published dataset.

It may import `worker`, `dataset`, `plan`, `files` and `errors`.
"""
