"""A chat whose answer survives lost connections and reloads of the page."""
