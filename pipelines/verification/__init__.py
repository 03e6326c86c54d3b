"""What `python -m pipelines.verify` checks of a published dataset."""
