"""The plan of a build: its settings, its shards and its fingerprint.

It may import `files` and `errors`, and no other room of `pipelines`.
"""
