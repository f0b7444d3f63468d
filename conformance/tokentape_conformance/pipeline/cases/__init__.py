"""Cases of the pipeline suite, a module per area."""
