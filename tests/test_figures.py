"""Figures draw the numbers they claim, show once, move with their sliders, and leave nothing behind."""

import warnings

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawings import DRAWINGS, EXPLORATIONS
from drawings.language_model import CURVES, NATS
from drawings.made_up import LOSSES, TALE
from drawings.tokenization import MIXED, SIZES, STEPS
from matplotlib.figure import Figure

from llamalite.config import RopeScaling
from llamalite.figures import explore as explore_module
from llamalite.figures import (
    language_model,
    rope,
    tokenization,
)
from llamalite.figures.explore import explore
from llamalite.figures.style import CYCLE, STYLE, canvas
from llamalite.in_numpy.rope import pair_order, rope_frequencies
from llamalite.text.tokenization.byte_pairs import BytePairTokenizer
from llamalite.text.tokenization.bytes import ByteTokenizer


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would display."""
    things = []
    monkeypatch.setattr(explore_module, "display", things.append)
    return things


def line(figure: Figure, label: str) -> np.ndarray:
    (found,) = [line for ax in figure.axes for line in ax.get_lines() if line.get_label() == label]
    return found.get_ydata()


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_a_drawing_is_a_titled_value_with_named_axes_that_pyplot_has_forgotten(draw):
    before = dict(plt.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw()
        figure.canvas.draw()
    assert isinstance(figure, Figure) and figure.get_suptitle()
    assert all(ax.get_xlabel() for ax in figure.axes)
    assert plt.get_fignums() == [] and dict(plt.rcParams) == before


def test_waves_are_two_pi_over_the_frequencies():
    scaling = RopeScaling(5.0, 2.0, 6.0, 1000)
    figure = rope.draw_wavelengths(16, (100.0, 900.0), scaling, 2048)
    np.testing.assert_allclose(line(figure, "theta 100"), 2 * np.pi / rope_frequencies(16, 100.0))
    want = 2 * np.pi / rope_frequencies(16, 900.0, scaling)
    np.testing.assert_allclose(line(figure, "theta 900, long waves × 5"), want)


def test_the_bands_are_the_published_pairs():
    """Facts B3: at head size 128, pairs 0-28 are kept, 29-34 mixed, 35-63 divided."""
    spans = rope.draw_wavelengths().axes[0].patches
    edges = [span.get_x() for span in spans] + [spans[-1].get_x() + spans[-1].get_width()]
    assert 28 < edges[1] < 29 and 34 < edges[2] < 35 and (edges[0], edges[3]) == (0, 63)


def test_hands_point_where_the_rotation_puts_them():
    dial = rope.draw_clock_hands(4, 100.0, positions=(0, 7)).axes[1]
    x, y = (data[1] for data in dial.get_lines()[1].get_data())
    assert np.arctan2(y, x) == pytest.approx(7 * 0.1)


def test_the_score_is_the_dot_product_after_rotation():
    q, k = np.random.default_rng(0).normal(size=(2, 6))
    freqs, m = rope_frequencies(6, 50.0), 1234
    turned = (q[0::2] + 1j * q[1::2]) * np.exp(1j * m * freqs)
    want = np.sum(turned.real * k[0::2] + turned.imag * k[1::2])
    assert rope.score_by_distance(q, k, np.array([m]), 50.0)[0] == pytest.approx(want)


def test_float32_angles_cost_thousandths_of_a_radian_at_the_end_of_the_context():
    errors = rope.float32_angle_errors(128, 500_000.0, np.array([1, 131_071]))
    assert errors[0].max() < 1e-7 and 1e-3 < errors[1].max() < 1e-2
    assert errors[1, 0] == 0  # frequency 1: a whole number below 2^24 is exact


@pytest.mark.parametrize("layout", rope.LAYOUTS)
def test_cells_stand_where_the_layout_puts_them(layout):
    figure = rope.draw_layouts(8)
    row = list(rope.LAYOUTS).index(layout)
    cells = {text.get_text(): text.get_position() for text in figure.axes[0].texts[8 * row : 8 * row + 8]}
    names = [f"{i}{member}" for i in range(4) for member in "ab"]
    assert [int(cells[name][0]) for name in names] == pair_order(8, layout)


def test_each_loss_is_a_line():
    np.testing.assert_array_equal(line(rope.draw_loss_by_position(LOSSES), "wrong"), LOSSES["wrong"])


def test_a_chosen_context_is_marked_on_every_curve_that_reaches_it():
    figure = language_model.draw_context_lengths(CURVES, 0.08, chosen=2)
    np.testing.assert_array_equal(line(figure, "long"), CURVES["long"])
    marked = [mark.get_xydata().tolist() for mark in figure.axes[0].lines if len(mark.get_xdata()) == 1]
    assert marked == [[[2, CURVES["long"][2]]]]


def test_a_text_is_darker_where_it_surprises_and_keeps_its_words_whole():
    ax = language_model.draw_surprise(TALE, np.arange(len(TALE)) % 7).axes[0]
    assert "".join(text.get_text() for text in ax.texts) == "".join(TALE)
    assert [box.get_width() for box in ax.patches] == [len(token) for token in TALE]
    blue = [box.get_facecolor()[2] for box in ax.patches[:7]]
    assert blue == sorted(blue, reverse=True) and blue[0] == 1 and blue[4] == blue[6]
    places = language_model.lay_out(TALE, 40)
    assert all(a[0] == b[0] for token, a, b in zip(TALE[1:], places, places[1:]) if token == "ime")  # noqa: B905


def test_scores_stand_where_they_are_and_mentions_beside_their_floor():
    ax = language_model.draw_scores({"bigram": 0.6, "Llama": 0.1}, 0.08).axes[0]
    assert [list(dots.get_xdata()) for dots in ax.lines if dots.get_marker() == "o"] == [[0.6, 0.1]]
    ax = language_model.draw_mentions({"a": NATS}, {"first": 2.0, "again": 0.0}).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [2.1, 0.5]
    assert [list(mark.get_xdata()) for mark in ax.lines] == [[2.0, 2.0], [0.0, 0.0]]


@pytest.fixture(params=["whatever is installed", "only what matplotlib brings"])
def fonts(request, monkeypatch):
    if request.param.startswith("only"):
        monkeypatch.setattr(tokenization, "FONTS", tokenization.FONTS[:1])


def test_any_token_can_be_read_whatever_fonts_there_are(fonts):
    figure = tokenization.draw_tokens([("row", MIXED)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    label, count, *boxes = [text.get_text() for text in figure.axes[0].texts]
    assert (label, count) == ("row", "11 tokens")
    assert boxes[0] == "<s>" and boxes[2:9] == ["·$x$→", "EC 95", "EC", "U+1F999", "U+0301", "", "U+0000"]
    assert boxes[1] in ("▁안녕", "▁annyeong") and boxes[9] == "······…60×"
    dashed = [box.get_edgecolor()[3] == 1 for box in figure.axes[0].patches]
    assert [boxes[i] for i, edge in enumerate(dashed) if edge] == ["EC 95", "EC"]


def test_tokens_stand_in_order_and_none_reaches_over_the_line():
    ax = tokenization.draw_tokens([("row", ["abcdefg"] * 40)]).axes[0]
    places = [(-box.get_y(), box.get_x()) for box in ax.patches]
    assert places == sorted(places) and len({y for y, _ in places}) == 4
    assert all(box.get_x() + box.get_width() <= tokenization.COLUMNS for box in ax.patches)


def test_what_is_spelt_joins_to_the_text():
    tokenizer = BytePairTokenizer([(97, 98), (236, 152)])
    told = tokenization.spell(tokenizer, tokenizer.encode("abc 옛", bos=True))
    assert told == ["<s>", b"ab", b"c", b" ", b"\xec\x98", b"\x9b"]


def test_a_staircase_names_its_merges_and_keeps_the_letters_in_their_columns():
    ax = tokenization.draw_merges(STEPS, {"lo": 0, "low": 1, "▁low": 2}).axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["start", "l + o   (rank 0)", "lo + w   (rank 1)", "▁ + low   (rank 2)"]
    first, *_, last = ax.patches
    assert first.get_x() == last.get_x() and ax.texts[-1].get_text() == "▁low"
    assert last.get_x() + last.get_width() == pytest.approx(
        sum((ax.patches[3].get_x(), ax.patches[3].get_width()))
    )


def test_shares_and_means_are_those_of_the_numbers():
    ax = tokenization.draw_growth({"8B": (10**9, 2 * 10**9, 7 * 10**9)}).axes[0]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([10, 20])
    assert ax.texts[0].get_text().strip() == "30.0%: 3.00 of 10.00 billion"
    losses = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 2.0]])
    np.testing.assert_allclose(
        line(tokenization.draw_bits_per_byte(SIZES, {"a": losses}, 0.1), "a"), [2, 2, 1.5]
    )
    np.testing.assert_allclose(line(tokenization.draw_digits([1, 2], {"a": np.eye(2)}), "a"), [50, 50])


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_the_static_form_shows_one_picture_and_returns_nothing(name, shown, monkeypatch):
    monkeypatch.setenv("LLAMALITE_STATIC", "1")
    assert EXPLORATIONS[name]() is None
    assert [type(thing) for thing in shown] == [Figure]


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_the_sliders_are_built_and_start_at_the_static_frame(name, shown, monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    monkeypatch.delenv("LLAMALITE_STATIC", raising=False)
    EXPLORATIONS[name]()
    assert [type(thing) for thing in shown] == [Figure, widgets.VBox]


def test_moving_a_slider_redraws(shown, monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.delenv("LLAMALITE_STATIC", raising=False)
    explore(lambda height, loud: f"{height} {loud}", height=(2, (0, 9, 1)), loud=(False, True))
    slider = shown[-1].children[0].children[0]
    assert slider.continuous_update is False and slider.value == 2
    slider.value = 7
    assert shown[0] == "2 False" and shown[-1] == "7 False"


def test_a_few_fractions_make_a_slider_and_names_a_menu(shown, monkeypatch):
    widgets = pytest.importorskip("ipywidgets")
    monkeypatch.delenv("LLAMALITE_STATIC", raising=False)
    explore(lambda beta, name: f"{beta} {name}", beta=(0.1, [0.1, 2.0]), name=("a", ["a", "b"]))
    beta, name = shown[-1].children[0].children
    assert isinstance(beta, widgets.SelectionSlider) and isinstance(name, widgets.Dropdown)
    assert beta.continuous_update is False and beta.value == 0.1


def test_a_text_of_your_own_is_cut_as_soon_as_there_is_one(shown, monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.delenv("LLAMALITE_STATIC", raising=False)
    tokenization.explore_tokens({"bytes": ByteTokenizer()}, ["four", "seventy"])
    menu, box = shown[-1].children[0].children
    for change in (dict(menu="seventy"), dict(box="two"), dict(box="")):
        menu.value, box.value = change.get("menu", menu.value), change.get("box", box.value)
    counts = [figure.axes[0].texts[1].get_text() for figure in shown if isinstance(figure, Figure)]
    assert counts == ["4 tokens", "7 tokens", "3 tokens", "7 tokens"]


def test_without_ipywidgets_there_is_still_a_picture(shown, monkeypatch):
    monkeypatch.delenv("LLAMALITE_STATIC", raising=False)
    monkeypatch.setattr(explore_module, "import_widgets", lambda: None)
    explore(lambda height: height, height=(2, (0, 9, 1)))
    assert shown == [2]


def test_the_palette_is_distinct_and_a_failing_drawing_leaves_no_figure():
    assert len(set(CYCLE)) == len(CYCLE) and STYLE["axes.grid"]
    with pytest.raises(ZeroDivisionError), canvas("never finished"):
        1 / 0  # noqa: B018
    assert plt.get_fignums() == []
