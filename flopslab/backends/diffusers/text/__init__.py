"""Prompts as what a model is conditioned on."""
