"""What moderators and operators may ask, by subject; the service that owns the answer gives it."""
