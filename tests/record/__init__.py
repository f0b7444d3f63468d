"""Records the folder cassettes/: `make record`."""
