"""The program of an extraction, in a hurry: it publishes what comes at the head almost at once."""

from __future__ import annotations

import sys

from jobyard.data import extractor
from jobyard.data.__main__ import main

if __name__ == "__main__":
    extractor.POLL = 0.02
    extractor.FOLLOW_AFTER = 0.2
    sys.exit(main(["extract"]))
