"""The Beam pipeline that fits a dataset shard by shard."""
