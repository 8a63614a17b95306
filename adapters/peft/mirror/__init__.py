"""A copy of the engine's data directory in an object store. Knows nothing of models or of HTTP."""
