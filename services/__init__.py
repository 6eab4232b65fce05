"""One folder per process; each imports `shared`, none imports another."""
