"""`make bench`: how many deliveries per second this machine makes, beside what a bare HTTP client does on it."""
