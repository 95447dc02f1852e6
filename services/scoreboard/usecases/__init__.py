"""What may be asked of the board: apply updates, announce changes, audit, rebuild."""
