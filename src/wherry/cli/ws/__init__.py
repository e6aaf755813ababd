"""`wherry ws`: walk the tree of workspaces, as kcp's `kubectl ws` does. The kubeconfig says where one is."""
