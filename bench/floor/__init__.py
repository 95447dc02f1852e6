"""The least that a machine can spend: programs that do nothing but the sends, or the SQL."""
