"""Cases of the pipeline suite, a module an area."""
