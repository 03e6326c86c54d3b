"""Where a build runs: on this machine, on a Dask cluster, on Dataflow.

It may import `preparation`, `worker`, `dataset`, `plan` and `files`.
"""
