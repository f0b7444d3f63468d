"""A scripted response, independent of any wire format."""
