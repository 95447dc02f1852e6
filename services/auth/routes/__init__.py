"""HTTP in: what people and browsers call, and what the other services call."""
