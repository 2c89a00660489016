"""Words in, passes of pictures out: each later pass sees its neighbours' pictures."""

__version__ = "0.1.0"
