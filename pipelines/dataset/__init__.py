"""A dataset on disk: its shards, manifests, metadata and state.

It may import `plan`, `files` and `errors`, and no other room of `pipelines`.
"""
