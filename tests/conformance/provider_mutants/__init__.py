"""Broken providers, one fault each: answers of the fake provider that are mangled on their way out of its socket."""
