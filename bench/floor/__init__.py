"""The least that a machine can spend: C programs that do nothing but the sends."""
