"""`python -m eventdb`: see eventdb.shell."""

import sys

from eventdb.shell import main

if __name__ == "__main__":
    sys.exit(main())
