"""
Taking a stream's socket over from uvicorn, so that a frame costs one `write` and nothing else.

The route answers the handshake through ASGI; then the transport gets one of our protocols, and
ASGI's task, scope and queue are let go. What this needs of uvicorn's objects is in `takeover.py`
and nowhere else.
"""
