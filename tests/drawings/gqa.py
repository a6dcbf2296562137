"""Every drawing of chapter ``gqa``, with numbers made up for the purpose."""

from llamalite.figures import gqa

SHARED_HEADS = {
    "settings": {"uptrain": [0.0, 0.1], "n_heads": 2},
    "from_the_start": [{"n_kv_heads": n, "scores": [0.1, 0.2]} for n in (1, 2)],
    "converted": [
        {"n_kv_heads": n, "how": how, "bits_per_byte": [0.5, 0.1]}
        for n in (1, 2)
        for how in ("mean", "first", "random")
    ],
}
DRAWINGS = {
    "sharing": lambda: gqa.draw_sharing(8, (8, 2, 1)),
    "caches": lambda: gqa.draw_caches(["llama1-7b", "llama3.1-8b"]),
    "gqa speed": lambda: gqa.draw_speed([1, 2], {"repeat": [1.0, 2.0]}, [0.5, 1.0]),
    "uptraining": lambda: gqa.draw_uptraining(SHARED_HEADS),
    "gqa scores": lambda: gqa.draw_scores(SHARED_HEADS),
}
EXPLORATIONS = {
    "memory": lambda: gqa.explore_memory(["llama2-70b", "llama3-8b"]),
}
