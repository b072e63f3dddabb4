"""`python -m heatbath` is `heatbath`."""

import sys

from heatbath.core.cli import main

sys.exit(main())
