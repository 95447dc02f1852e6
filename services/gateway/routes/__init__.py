"""The public HTTP interface, by what it is about; each route says who may call it."""
