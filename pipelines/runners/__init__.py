"""The runners of a build: this machine, a Dask cluster, Dataflow and others.

It may import `preparation`, `worker`, `dataset`, `plan` and `files`.
"""
