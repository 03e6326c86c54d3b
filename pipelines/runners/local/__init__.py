"""Builds on this machine: one worker process per GPU, or pinned to each core.

`launch` starts a driver process and follows it; the driver runs Beam's
FnApiRunner and starts the workers. Whatever Beam does to its process (threads
that never end, environment variables) stays out of the caller's.
"""
