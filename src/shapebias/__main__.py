"""``python -m shapebias``."""

import sys

from shapebias.cli.main import main

sys.exit(main())
