"""`python -m bench`: drives any Kubernetes API by URL and token and reports what it costs the server."""
