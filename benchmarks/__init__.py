"""What flopslab costs: one command for each benchmark, a table and JSON. See README.md."""
