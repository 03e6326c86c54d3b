"""What is to be built: the settings, the plan, its shards and its fingerprint.

It may import `files`, and no other room of `pipelines`.
"""
