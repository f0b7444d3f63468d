"""HTTP responses of any client library and their failures, as the library's own values and errors."""
