"""Where a build runs: on this machine, on a Dask cluster, on Dataflow.

It may import `planning`, `worker`, `dataset` and `files`. `Runner` is public.
"""
