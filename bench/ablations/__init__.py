"""
What each fast path is worth: the product with one of them taken out, in turns with the product.

The product has no switches for it. A replacement is put in its place in the service's process, by
a `sitecustomize` that only the bench has on the path, before the service is imported. If what is to
be replaced is no longer there, that is said, and nothing starts.
"""
