"""The program that the launcher of the flex template runs to start a build."""

import sys

from pipelines.build import main

if __name__ == '__main__':
  # If the launcher passes another runner, that one replaces this option.
  sys.exit(main(['--runner=DataflowRunner', *sys.argv[1:]]))
