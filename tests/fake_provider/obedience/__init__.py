"""The table of obediences: what a request asks of a model, in every wire format, and what the simulated model does."""
