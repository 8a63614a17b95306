"""The engine contract over HTTP (docs/contract.md). Knows nothing of torch and of models."""
