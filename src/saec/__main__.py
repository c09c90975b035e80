import sys

from saec.cli import main

sys.exit(main())
