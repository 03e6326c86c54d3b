"""What is on disk of a dataset: its plan, manifests, metadata and shards.

It may import `files`, and no other room of `pipelines`.
"""
