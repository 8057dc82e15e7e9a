"""Where all that is random in these tests begins: the same for the short form each time, another for each long one."""

import os
import secrets

COMPARISONS = int(os.environ.get("DELTA_COMPARISONS", "2500"))
LONG = COMPARISONS > 5000
SEED = int(os.environ.get("DELTA_SEED", "0")) or (secrets.randbelow(2**31) if LONG else 20261125)
