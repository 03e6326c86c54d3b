"""The runner of this machine: one worker process per GPU, or else per core.

`launch` starts a driver process and follows it. The driver runs Beam's
FnApiRunner, which starts the workers. Beam leaves threads and environment
variables behind; in a driver process they do not disturb the caller.
"""
