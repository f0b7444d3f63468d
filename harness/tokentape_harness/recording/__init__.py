"""Recording: record streams into cassettes while the client reads them live, and replay them."""
