"""Many machines: Dask workers compute the batches, one client plans and commits them."""
