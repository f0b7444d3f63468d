"""Apps around the library's own web responses, which the pipeline suite must find nothing wrong with."""
