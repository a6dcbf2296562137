"""Cross-entropy: the surprise, in nats, of the token that came."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def cross_entropy(
    logits: Float[ndarray, "*B V"], targets: Int[ndarray, "*B"]
) -> tuple[Float[ndarray, "*B"], tuple]:
    """-log softmax(logits)[target] for every token, not yet reduced.

    >>> cross_entropy(np.zeros((1, 4)), np.array([2]))[0].round(4).tolist()   # log 4
    [1.3863]
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    target = np.take_along_axis(shifted, targets[..., None], axis=-1)
    weights = np.exp(shifted, out=shifted)  # in place: nothing in training is larger than these
    total = np.sum(weights, axis=-1, keepdims=True)
    return (np.log(total) - target)[..., 0], (weights, total, targets)


def cross_entropy_backward(dloss: Float[ndarray, "*B"], saved: tuple) -> Float[ndarray, "*B V"]:
    """dlogits = (probabilities - one-hot target) · dloss."""
    weights, total, targets = saved
    dloss, targets = dloss[..., None], targets[..., None]
    dlogits = weights * (dloss / total)
    dtarget = np.take_along_axis(dlogits, targets, axis=-1) - dloss
    np.put_along_axis(dlogits, targets, dtarget, axis=-1)
    return dlogits
