"""For tests of what talks to a Kubernetes API: the pytest plugin (`plugin`) and what its fixtures give."""
