"""What `python -m pipelines.report` reads, refits, draws and writes."""
