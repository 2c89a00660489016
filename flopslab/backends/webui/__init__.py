"""The generator that is a server of AUTOMATIC1111's API, on this machine or another."""
