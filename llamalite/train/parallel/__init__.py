"""Training on many processes: how the model is cut, what is sent, what it costs, what happens at a death."""
