"""Cases of the iterator suite, a module per area."""
