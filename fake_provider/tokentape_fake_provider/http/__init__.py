"""HTTP: connections, who may ask, and what is read of a request before a wire format sees it."""
