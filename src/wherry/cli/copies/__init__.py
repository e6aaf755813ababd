"""`wherry clone`, `export`, `history`, `get --at`: objects of a cluster, a workspace or a folder, now or then."""
