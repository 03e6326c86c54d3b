"""Options and messages of the commands.

It may import `runners`, `preparation`, `worker`, `dataset`, `plan` and `files`;
only the commands import it.
"""
