"""Testing: what the fixtures hand out."""
