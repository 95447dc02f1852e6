"""The rules of the ledger that need no database."""
