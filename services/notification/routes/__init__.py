"""HTTP and WebSocket in: the two public streams; tickets and orders, for the gateway."""
