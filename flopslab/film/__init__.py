"""A finished run as a film and as a page that plays it."""
