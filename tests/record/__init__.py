"""Makes the folder cassettes/: `make record`."""
