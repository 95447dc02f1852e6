"""What may be asked of the gateway, and the ports it needs for that."""
