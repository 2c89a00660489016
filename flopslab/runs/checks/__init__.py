"""What lies in a run directory, held against its manifest and against a study."""
