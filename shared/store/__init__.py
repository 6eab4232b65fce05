"""MongoDB: the only place that imports motor."""
