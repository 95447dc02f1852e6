"""What score does, against the ports it needs."""
