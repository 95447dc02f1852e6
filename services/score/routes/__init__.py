"""HTTP in: calls from the other services; nothing here is public."""
