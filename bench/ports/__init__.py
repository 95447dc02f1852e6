"""
What we compare ourselves with: the same product, as others would have written it.

`naive` is the specification put into FastAPI word for word; `competent` is the best everyday
version, by the same author a year later. Both are right as long as nothing fails, which a test
holds (`tests/bench/test_ports.py`); what each loses when something does is said where it is lost.
Neither shares code with the product; all run on the same PostgreSQL, Valkey and Kafka.
"""
