"""Files in a local folder or in a bucket, their formats, and locks.

It imports `pipelines.errors` alone, and knows nothing of datasets.
"""
