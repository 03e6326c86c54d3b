"""Turns a builder and settings into a plan, and refuses what cannot work.

It may import `dataset` and `files`. `make_plan` is public.
"""
