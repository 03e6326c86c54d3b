"""The command `linac`: one name for all commands of this project.

`main.main` is public. This package may import `pipelines`, `classifiers` and
`linac_config`; no other package may import it.
"""
