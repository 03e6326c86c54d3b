"""The command `linac`: one name for all commands of this project.

It may import `pipelines`, `classifiers` and `linac_config`; nothing imports it.
`main.main` is public.
"""
