"""What the commands share: options, messages before and after a build.

It may import all other rooms of `pipelines`; only the commands import it.
"""
