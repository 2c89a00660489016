"""Executors: what makes the batches of a run, in the order in which they become possible."""
