"""What `doctor` looks at, one file per kind of thing that may be wrong."""
