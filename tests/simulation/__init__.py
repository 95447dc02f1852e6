"""
Deterministic simulation: the product's own code in a world where everything fails, from one seed.

The event loop has virtual time (`loop`); clocks, random numbers, Kafka, PostgreSQL and the network
are replaced at the product's outermost doors (`doors`), everything within is the product. A world
(`world`) lives through a storm of faults (`storm`), then calm, and then must have kept all promises
(`tests.oracle.checks`, `invariants`). The same seed gives the same trace, byte for byte.

    python -m tests.simulation --seeds 10000     many worlds
    python -m tests.simulation --seed 17 --trace one of them, told in full
    python -m tests.simulation --broken          seven wrong products, each of which must be caught

In the manner of FoundationDB's simulation and TigerBeetle's VOPR.
"""
