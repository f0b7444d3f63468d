"""Ready adapters: targets of the iterator suite."""
