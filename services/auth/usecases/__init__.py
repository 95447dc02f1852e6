"""What may be asked of auth, and the ports it needs for that."""
