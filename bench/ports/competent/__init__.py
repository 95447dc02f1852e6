"""
The best everyday version: what its author makes of `naive` once it has to carry load.

Tokens are checked where they come in; one hop by a kept connection; one statement for each
increment; messages that nobody waits for; one round trip to Redis for each of them; boards told at
most every 50 ms, encoded once, sent to all at a time. Still an increment is a request, a statement,
a message and a pipeline of its own, and each watcher a send through the framework.
"""
