"""Makes the plan of a dataset, and refuses what cannot work before it starts.

It may import `dataset`, `plan` and `files`. `make_plan` is public.
"""
