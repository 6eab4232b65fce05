"""What it takes to run the services: on one machine, in containers, in a cluster."""
