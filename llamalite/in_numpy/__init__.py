"""The NumPy half: every forward pass with its backward pass written by hand, one file a concept.

The pattern, throughout: ``out, saved = f(x, w)`` and ``dx, dw = f_backward(dout, saved)``,
gradients in the order of the arguments. Nothing is mutated but a key/value cache passed in.
"""
