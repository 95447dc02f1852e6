"""
The judge of every campaign: what clients were told and shown, against what the ledger holds.

`client` logs every request, `screens` every frame, `truth` reads the servers when all is quiet, and
`checks` asks whether the three promises held. `trial` puts them together.
"""
