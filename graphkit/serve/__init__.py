"""Search over HTTP: the service, who may ask it, and its page."""
