"""Cases of the provider suite, a module per area."""
