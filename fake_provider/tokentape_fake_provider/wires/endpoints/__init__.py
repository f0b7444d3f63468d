"""Endpoints other than chats: each is a wire format that does not stream, with a row in the list of its module."""
