"""Run by every Python that has this folder on its path, before its program: see `arming`."""

from bench.ablations.arming import install

install()
