"""
What notification keeps in Redis: sessions, nodes with their orders, and tickets.

The keys of sessions and nodes share one hash tag: what belongs together changes in one step, in one
slot of a cluster.
"""
