"""After pretraining: talking, and learning what is preferred."""
