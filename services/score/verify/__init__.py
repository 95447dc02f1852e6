"""
The whole ledger replayed and held to its invariants: `python -m services.score.verify`.

Every entry is hashed together with all of the user's entries before it. So a row that was changed,
taken out or put in shows, unless the hashes of all that follow and the user's total were made to
fit, too; who can rewrite the whole database can do that. They cannot rewrite the ledger root that
was noted elsewhere: the hash over every user's chain up to a time, which comes out the same at any
later run with that time. Fingerprints are in no hash, because they may have to be forgotten.
"""
