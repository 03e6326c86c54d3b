"""`python -m linac_cli`: the command `linac` without an installation."""

import sys

from linac_cli.main import main

if __name__ == '__main__':
  sys.exit(main())
