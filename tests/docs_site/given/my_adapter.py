from tokentape_conformance import tokentape_adapter as adapter

__all__ = ["adapter"]
