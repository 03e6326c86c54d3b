"""The runner of this machine: one worker process per GPU, or else per core.

`launch` starts a driver process, while the build is planned, and follows it.
The driver makes the workers and runs Beam's FnApiRunner. Beam leaves threads
and environment variables behind; in a driver process they do not disturb the
caller.
"""
