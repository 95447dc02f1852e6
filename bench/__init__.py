"""What the product costs: CPU-seconds of every process, counted while it works."""
