"""Attacks on classifiers: they search for small changes that fool them.

This package may import `network`, `defence` and `classifiers.data`.
`gradient_attack`, `square_attack` and `withstood` are public.
"""
