"""Files in a local folder or in a bucket, their formats, and locks.

It imports only `pipelines.errors`, and knows nothing of datasets.
"""
