"""``python -m sklearn_mdn``: fit, score and draw densities, on bundled data or on a CSV file."""

import sys

from sklearn_mdn._tour.tour import main

if __name__ == "__main__":
    sys.exit(main())
