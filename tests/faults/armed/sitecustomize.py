"""Run by every Python that has this folder on its path, before its program: see `arming`."""

from tests.faults.arming import install

install()
