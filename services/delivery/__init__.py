"""Signs deliveries and posts them to endpoints."""
