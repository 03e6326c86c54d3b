"""The parts of `python -m pipelines.report`, from reading to the HTML page.

It may import `worker`, `dataset`, `plan`, `files` and `errors`.
"""
