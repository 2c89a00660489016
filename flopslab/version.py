"""The version of the package: of the code that runs, whether it is installed or not."""

__version__ = "0.1.0"
