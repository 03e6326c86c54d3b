"""Makes the plan of a dataset, and refuses a build that cannot work.

It may import `dataset`, `plan` and `files`. `make_plan` is public.
"""
