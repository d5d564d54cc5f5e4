"""Work that runs the floors below several times: dynamics over training checkpoints."""
