"""One file a command: what it can be told, which is also its help, and what it then does."""
