"""Where all that is random in these tests begins."""

import os
import secrets

SEED = int(os.environ.get("DELTA_SEED", "0")) or secrets.randbelow(2**31)
COMPARISONS = int(os.environ.get("DELTA_COMPARISONS", "2500"))
LONG = COMPARISONS > 5000
