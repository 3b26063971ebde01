"""``python -m sklearn_mdn``: fit, score and draw densities, on bundled data or on a table in a file."""

import sys

from sklearn_mdn._tour.command import main

if __name__ == "__main__":
    sys.exit(main())
