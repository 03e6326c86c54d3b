"""Files in a local folder or in a bucket, their formats, and locks.

`storage` opens and writes, `listing` lists, `bucket_access` checks rights,
`lock` and `lease` keep builds apart; only they know which kind of bucket it is.
It imports only `pipelines.errors`, and knows nothing of datasets.
"""
