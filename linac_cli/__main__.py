"""`python -m linac_cli` is `linac`, where that is not installed."""

import sys

from linac_cli.main import main

if __name__ == '__main__':
  sys.exit(main())
