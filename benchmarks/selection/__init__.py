"""Which rule finds a good layer: choices without labels, judged by labels, on real models."""
