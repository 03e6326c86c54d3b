"""Functions whose results are exact values, rounded once.

The sines, powers and logarithms of NumPy and of C libraries and the error
function of SciPy are not correctly rounded, and their last bits differ between
machines. The functions here compute with integers, fractions and decimal
numbers, which are the same everywhere.

No number of guard digits is taken on trust. Each function computes two bounds
of the exact value. If both are rounded to the same float, so is the value,
because rounding is monotonic. Otherwise the bounds are computed again with
twice as many digits. This ends, because the exact value is irrational or is
one that the first bounds or a special case find. For normal numbers this is not
proved; `normals.py` says more.

The room imports nothing of this project. The modules of `transforms` may use
the names in `__all__`.
"""

from .normals import normal
from .powers_and_logarithms import log10, powers
from .rounding import FLOAT32, FLOAT64, Format
from .trigonometry import cosine, half_turn, sine

__all__ = [
  'FLOAT32',
  'FLOAT64',
  'Format',
  'cosine',
  'half_turn',
  'log10',
  'normal',
  'powers',
  'sine',
]
