"""`wherry clone` and `wherry export`: the objects of a cluster, a workspace or a folder, and where they go."""
