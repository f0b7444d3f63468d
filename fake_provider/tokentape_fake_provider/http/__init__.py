"""HTTP: what is read of a request before a wire format sees it."""
