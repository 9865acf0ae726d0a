import sys

from e5demo.cli import main

sys.exit(main())
