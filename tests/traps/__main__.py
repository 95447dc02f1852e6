"""Show every trap of the client libraries, and that we stand it: `python -m tests.traps`."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-rs", "--verbose", "tests/traps", *sys.argv[1:]]))
