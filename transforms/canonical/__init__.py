"""The canonical fit: its C++ sources, their compilation and the library.

`compile.py` makes the library from `source/` when the project is installed,
and `library.py` loads it. This room imports JAX and nothing else of the
project; `compile.py` imports only the standard library, because `setup.py`
loads it by its path.
"""
