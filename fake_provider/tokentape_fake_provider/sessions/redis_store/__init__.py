"""Sessions in Redis or Valkey, which several processes and machines share."""
