"""Proofs and how they are made: passwords, keys and signatures, the services' secrets."""
