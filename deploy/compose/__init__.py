"""The image, and everything in containers on one machine: what `make image up down logs` do."""
