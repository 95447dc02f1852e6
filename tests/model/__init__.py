"""The whole path of a score against a model of it, in sequences of steps that nobody thought of."""
