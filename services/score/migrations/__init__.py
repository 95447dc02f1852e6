"""The ledger's schema, one file of SQL per version."""
