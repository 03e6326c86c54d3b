"""The runners of a build: this machine, a Dask cluster, Dataflow and others.

It may import `worker`, `dataset`, `plan` and `files`. `find_runner` is public.
"""
