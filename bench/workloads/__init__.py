"""
What is measured, a module each: `measure(contender, …)` starts the contender, measures, ends it.

It returns a frozen dataclass with `contender`, `figures()` for a file (units in the names) and one
line for people as its text, and raises `DoesNotCount`.
"""
