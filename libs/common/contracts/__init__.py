"""
What services promise each other: events on Kafka, and the bodies of internal HTTP calls.

To add a field: give it a default; readers ignore what they do not know. To change or remove one:
add a class with the next `schema` number and publish both until no reader needs the old one.
Every event has a file in `examples/`; a test reads all of them with today's classes.
"""
