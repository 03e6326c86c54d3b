"""What is on disk of a dataset: manifests, metadata, shards and its state.

It may import `plan` and `files`, and no other room of `pipelines`.
"""
