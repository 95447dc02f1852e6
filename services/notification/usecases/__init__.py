"""What may be asked of notification: open a stream, get a ticket for a private one."""
