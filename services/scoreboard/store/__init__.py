"""The board in Redis: sorted sets, versions and offsets, changed by one script per batch."""
