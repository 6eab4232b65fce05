"""What travels and what is stored: shapes and nothing else."""
