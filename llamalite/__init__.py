"""llamalite: Llama 1, 2 and 3 from scratch, in NumPy and then in PyTorch.

Dimension letters, in signatures and as suffixes of locals:

    B  batch               N  query heads             F  feed-forward hidden size
    T  query positions     K  key/value heads         V  vocabulary
    S  key positions       G  group size, N / K       L  layers
    D  model dimension     H  head dimension          half  H / 2

Layers, lowest first; an import never points upwards, and the two halves never see each other:

    config  <-  tales, text, in_numpy, in_torch  <-  train  <-  align  <-  exercises, figures,
    commands, cli

Importing this package, ``config``, ``tales``, ``text`` or ``in_numpy`` never imports torch.
"""
