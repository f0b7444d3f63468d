"""HTTP responses of any client library, and what goes wrong with them, as the library's own values and errors."""
