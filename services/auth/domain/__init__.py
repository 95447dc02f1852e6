"""The rules of identity: pure values and functions, no I/O."""
