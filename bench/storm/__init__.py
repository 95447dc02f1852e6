"""The rebalance storm: a region whose replicas join, leave, die and stand still under load."""
