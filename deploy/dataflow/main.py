"""What the flex template's launcher runs: the command line of a build."""

import sys

from pipelines.build import main

if __name__ == '__main__':
  # An option that is given again replaces the one before.
  sys.exit(main(['--runner=DataflowRunner', *sys.argv[1:]]))
