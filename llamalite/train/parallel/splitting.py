"""Cutting a Llama from outside: tensor parallel, sequence parallel and sharding. The model knows nothing.

``parallelize`` changes what lies behind each ``nn.Linear``: its weight becomes a ``DTensor``, of which
every rank holds a part, and hooks before and after it send what has to be sent. The arithmetic in
``llama.py`` runs unchanged on the parts; that its attention asks for ``-1`` heads is all the help it gives.

Left out: a head whose loss is computed without gathering the logits (``loss_parallel``), building a model
that fits on no rank, and prefetching.
"""

from __future__ import annotations

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

SEQUENCE = Shard(1)  # between the matrices, each rank of a tensor group holds its part of the positions
WHOLE = Replicate()


def parallelize(model: nn.Module, mesh: DeviceMesh, shard: bool = False) -> nn.Module:
    """Cut a Llama, or a stage of one, over the axes ``tensor`` and (with ``shard``) ``data`` of a mesh.

    In place; every rank must hold the same numbers before. Plain data parallelism changes no weight, and
    a pipeline is cut before (``stages.py``).
    """
    if mesh["tensor"].size() > 1:
        split_matrices(model, mesh["tensor"])
    if shard and mesh["data"].size() > 1:
        whole_again = mesh["pipeline"].size() == 1  # a pipeline comes back to its layers too often for that
        for layer in model.layers.values():
            fully_shard(layer, mesh=mesh["data"], reshard_after_forward=whole_again)
        fully_shard(model, mesh=mesh["data"], reshard_after_forward=whole_again)
    return model


def split_matrices(model: nn.Module, mesh: DeviceMesh) -> None:
    """Each layer's first matrices by rows of the weight, its last by columns (Megatron-LM's way), so that
    nothing is sent between them; norms work on the positions that a rank holds."""
    ends = {
        "tok_embeddings": RowwiseParallel(input_layouts=WHOLE, output_layouts=SEQUENCE),
        "norm": SequenceParallel(),
        "output": ColwiseParallel(input_layouts=SEQUENCE, output_layouts=WHOLE),
    }
    present = {name: how for name, how in ends.items() if getattr(model, name, None) is not None}
    parallelize_module(model, mesh, present)
    for layer in model.layers.values():
        parallelize_module(layer, mesh, plan_of_layer())


def plan_of_layer() -> dict:
    """What is sent: before attention and feed-forward the positions are gathered, after them the partial
    sums are added and dealt out again. Attention's other inputs (the table, …) are left as they are."""
    others = (None,) * 5  # table, positions, mask, cache, number of the layer
    gathered = {"input_layouts": (SEQUENCE,), "desired_input_layouts": (WHOLE,)}
    with_others = {name: (*layout, *others) for name, layout in gathered.items()}
    columns = ("attention.wq", "attention.wk", "attention.wv", "feed_forward.w_gate", "feed_forward.w_up")
    rows = ("attention.wo", "feed_forward.w_down")
    return {
        "attention_norm": SequenceParallel(),
        "ffn_norm": SequenceParallel(),
        "attention": PrepareModuleInput(**with_others),
        "feed_forward": PrepareModuleInput(**gathered),
        **{name: ColwiseParallel() for name in columns},
        **{name: RowwiseParallel(output_layouts=SEQUENCE) for name in rows},
    }
