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
    log_probs = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return -np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0], (log_probs, targets)


def cross_entropy_backward(dloss: Float[ndarray, "*B"], saved: tuple) -> Float[ndarray, "*B V"]:
    """dlogits = (probabilities - one-hot target) · dloss."""
    log_probs, targets = saved
    dlogits = np.exp(log_probs)
    np.put_along_axis(
        dlogits, targets[..., None], np.take_along_axis(dlogits, targets[..., None], axis=-1) - 1, axis=-1
    )
    return dlogits * dloss[..., None]
