"""How loss falls with parameters and tokens: runs that measure it, laws for it, what these advise."""
