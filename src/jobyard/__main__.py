"""Run the command line as ``python -m jobyard``."""

from jobyard.cli import main

main()
