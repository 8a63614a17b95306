"""Serving by vLLM, a process of its own. The one part of the engine that speaks HTTP."""
