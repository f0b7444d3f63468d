"""Verdict: how resilient a client is, judged by what a session's journal shows. Pure functions of its entries."""
