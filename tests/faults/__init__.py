"""
Campaigns: the real stack at work while something is broken on purpose, judged by the oracle.

`python -m tests.faults` lists them; each is a module with `ABOUT`, `COUNT` and `run`.
"""
