"""What may be asked of notification: open streams, get tickets for private ones, oversee all."""
