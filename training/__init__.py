"""The embedded model: a small Stable Diffusion, and the painter that taught it.

A procedural painter (`painter`, `motifs`, `palettes`) draws a scene for any words
(`vocabulary`); a text encoder, a VAE and a UNet are trained on its pictures
(`python -m training.train`) and saved in the ordinary diffusers layout in `model/`.
"""
