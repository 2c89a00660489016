"""The hardware that a model runs on: where it computes, in which numbers, in how much memory."""
