"""What the gateway decides by itself: what a body, a key and a quota mean."""
