"""Stands in front of torch in the fast tier, so that a test which imports torch cannot be in it."""

raise ImportError(
    "the fast tier imports no torch: mark the test with @pytest.mark.torch, "
    "or import torch at the head of its file"
)
