"""The config: immutable, two-way with JSON, and every field held against its bounds in one sentence."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiwflow.flow import ConfigError, FlowConfig
from eiwflow.flow.config import BOUNDS, INITS, OLDER, OPTIONAL, ORDERS, PRIORS, WEIGHTS

from .. import LONG

FIELDS = [field.name for field in dataclasses.fields(FlowConfig)]
NAN, INF = float("nan"), float("inf")

OTHER = FlowConfig(
    (1, 16, 64), 2, 5, 12, "random", "none", "standard", "random", "alternating", "5-1", 0.5, 42, "recompute",
    keep="auto", kept=(3,), coupling="exp", top_prior="constant", padding="ones", bits=5, leaky=0.2, context=3,
)  # fmt: skip


def refusal(**fields):
    with pytest.raises(ConfigError) as refused:
        FlowConfig(**fields)
    return str(refused.value)


# ------------------------------------------------------------------------------ a value


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_can_be_changed(field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(FlowConfig(), field, getattr(OTHER, field))


def test_equal_configs_are_one_key():
    assert {FlowConfig(), FlowConfig(shape=[3, 32, 32]), FlowConfig(order="entropy")} == {FlowConfig()}
    assert all(getattr(FlowConfig(), field) != getattr(OTHER, field) for field in FIELDS)


@pytest.mark.parametrize("config", [FlowConfig(), OTHER])
def test_a_config_comes_back_from_json(config):
    fields = json.loads(json.dumps(config.to_dict()))
    assert set(fields) == (set(FIELDS) if config == OTHER else set(FIELDS) - set(OPTIONAL))
    assert FlowConfig.from_dict(fields) == config


def test_a_file_that_was_written_before_a_field_existed_has_its_default():
    assert not FlowConfig().to_dict().keys() & set(OPTIONAL)
    read = FlowConfig.from_dict(FlowConfig().to_dict())
    assert (read.memory, read.coupling, read.top_prior, read.padding, read.bits, read.leaky, read.context) == (
        "store", "bounded", "standard", "zeros", 8, 0, 0,
    )  # fmt: skip


def test_shapes_inside_the_levels_hold_what_each_level_is_given():
    config = FlowConfig(shape=(3, 32, 16), levels=3)
    assert config.dimensions == 3 * 32 * 16
    assert [config.level_shape(level) for level in (1, 2, 3)] == [(12, 16, 8), (24, 8, 4), (48, 4, 2)]


# ------------------------------------------------------------------------------ keep


@pytest.mark.parametrize(("keep", "counts"), [(0.25, (3, 3)), (0.5, (6, 12)), (0.75, (9, 27))])
def test_a_fraction_says_how_many_channels_every_level_passes_on(keep, counts):
    config = FlowConfig(keep=keep)
    assert config.counts == counts and config.resolved
    assert [config.level_shape(level)[0] for level in (1, 2, 3)] == [12, *(4 * count for count in counts)]
    noise = [config.noise_shape(level) for level in (1, 2, 3)]
    assert sum(c * h * w for c, h, w in noise) == config.dimensions
    fields = config.to_dict()
    assert keep == 0.5 or (fields["keep"], fields["kept"]) == (keep, list(counts))
    assert FlowConfig.from_dict(json.loads(json.dumps(fields))) == config
    assert dataclasses.replace(config, shape=(1, 32, 32)).counts[0] == 4 * keep


def test_all_passes_every_channel_on_so_that_nothing_is_split():
    config = FlowConfig(keep="all")
    assert config.counts == (12, 48) and config.resolved and not config.splits
    assert [config.noise_shape(level) for level in (1, 2, 3)] == [(0, 16, 16), (0, 8, 8), (192, 4, 4)]
    assert FlowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert FlowConfig().splits and FlowConfig(keep="auto").splits and not FlowConfig(levels=1).splits
    said = "weights is 'pooled'; with keep all there is no split whose parts could be weighted."
    assert refusal(keep="all", weights="pooled") == said


def test_auto_holds_what_was_asked_and_the_numbers_once_they_are_known():
    asked = FlowConfig(keep="auto")
    assert not asked.resolved and asked.to_dict()["keep"] == "auto" and "kept" not in asked.to_dict()
    assert asked.counts == (11, 43)  # at most
    known = dataclasses.replace(asked, kept=(2, 5))
    assert known.resolved and known.counts == (2, 5) and known.level_shape(3) == (20, 4, 4)
    for config in (asked, known):
        assert FlowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_another_fraction_is_refused_with_all_that_are_allowed():
    assert refusal(keep=0.3) == "keep is '0.3'; it must be one of 0.25, 0.5, 0.75, auto, all."


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        ((0, 3), "kept at level 1 is 0; it must be between 1 and 11."),
        ((2, 8), "kept at level 2 is 8; it must be between 1 and 7."),
        ((2,), "kept has 1 numbers; with levels 3 it must have 2."),
        ((2, 1.5), "kept is (2, 1.5); it must be a list of whole numbers."),
        ("23", "kept is 23; it must be a list of whole numbers."),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "",
)
def test_numbers_that_no_level_can_pass_on_are_refused(kept, sentence):
    assert refusal(keep="auto", kept=kept) == sentence


def test_numbers_beside_a_fraction_must_be_what_it_says():
    assert refusal(keep=0.25, kept=(3, 3)) == "kept is (3, 3); it must be empty, as keep 0.25 states the numbers."
    with pytest.raises(ConfigError, match=r"with keep 0.25 it must be \[3, 3\]"):
        FlowConfig.from_dict({**FlowConfig(keep=0.25).to_dict(), "kept": [3, 4]})


# ------------------------------------------------------------------------------ split policies


@pytest.mark.parametrize("order", ORDERS)
def test_order_and_weights_stand_in_one_word_for_people(order):
    assert FlowConfig(order=order, weights="none", prior="standard").split == order
    if order != "released":
        assert FlowConfig(order=order, weights="pooled").split == f"{order}+pooled"


def test_random_rotations_have_no_partition():
    assert FlowConfig(init="random", partition="information") == FlowConfig(init="random")


# ------------------------------------------------------------------------------ bounds


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", BOUNDS)
def test_beyond_a_bound_the_sentence_names_field_value_and_bounds(name, end):
    value = BOUNDS[name][end] + (-1, 1)[end]
    shapes = {"channels": (value, 32, 32), "size": (3, value, 32)}
    fields = {"shape": shapes[name]} if name in shapes else {name: value}
    low, high = BOUNDS[name]
    assert refusal(**fields) == f"{name} is {value}; it must be between {low:.12g} and {high:.12g}."


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", ["steps", "width", "scale_bound", "permutation_seed", "channels", "levels"])
def test_the_bounds_themselves_are_allowed(name, end):
    value = BOUNDS[name][end]
    if name == "channels":
        assert FlowConfig(shape=(value, 32, 32)).shape[0] == value
    else:
        assert getattr(FlowConfig(**{"shape": (1, 64, 64), name: value}), name) == value


BAD = {
    "shape": [None, 3, "3,32,32", {}, (3, 32), (3, 32, 32, 1), (3, 32.0, 32), (True, 32, 32), [[], 1, 2]],
    "levels": [None, True, 3.0, "3", [3], NAN],
    "steps": [None, False, 8.0, "8", [], INF],
    "width": [None, True, 64.5, "64", {}],
    "permutation_seed": [None, False, 0.0, "0"],
    "scale_bound": [None, True, "2.0", [2.0], NAN, INF, -INF, 0, -1.0, 4.0001],
    "order": [None, 0, "", "Entropy", "weighted", ["entropy"], {}],
    "weights": [None, 0, "", "Pooled", ["none"], {}],
    "partition": [None, 0, "", "halves", ["random"], {}],
    "prior": [None, 0, "", "normal", "Standard", ["standard"], {}],
    "init": [None, 0, "", "glow", "Principal", ["random"], {}],
    "memory": [None, 0, "", "swap", "Store", ["store"], {}],
    "keep": [None, True, 0, 1, 0.3, "0.5", "half", [0.5], {}, NAN],
    "kept": [None, True, 3, "33", [3.0, 3], {}, (3, 3)],
    "coupling": [None, 0, "", "tanh", "Sigmoid", ["exp"], {}],
    "top_prior": [None, 0, "", "conditional", "Constant", ["constant"], {}],
    "padding": [None, 0, "", "same", "Ones", ["ones"], {}],
    "bits": [None, True, 8.0, "8", [8], NAN],
    "leaky": [None, True, "0.1", [0.1], NAN, -0.1, 1.01],
    "context": [None, True, 3.0, "3", [3], NAN, -1, 1025],
    "network": [None, 313, "", "3", "3-", "-3", "3-2-3", "3-1-3-1-3-1", "3 1 3", "3-1-3\n", "7-7", ["3-1-3"]],
}


def test_every_field_has_bad_values_here():
    assert BAD.keys() == {*FIELDS}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in BAD for value in BAD[field]], ids=lambda x: None
)
def test_a_bad_value_is_refused_in_one_sentence_that_names_the_field(field, value):
    message = refusal(**{field: value})
    assert message.startswith(f"{field} is ")
    assert message.endswith(".")
    assert "; it must be " in message
    assert len(message) < 300


@pytest.mark.parametrize(("shape", "levels"), [((3, 30, 32), 2), ((3, 32, 30), 2), ((1, 4, 4), 3)])
def test_sides_that_the_levels_do_not_divide_are_refused_with_the_divisor(shape, levels):
    message = refusal(shape=shape, levels=levels)
    assert f"{shape[1]}×{shape[2]}" in message
    assert f"divisible by {2**levels}." in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NEARLY_RIGHT = st.one_of(
    st.integers(-2, 70),
    st.floats(-1, 5),
    st.lists(st.integers(0, 40), min_size=2, max_size=4),
    st.sampled_from([*ORDERS, *WEIGHTS, *PRIORS, *INITS, "3-1-3", "1-1", "5-5-5-5-5-5"]),
    st.from_regex(r"[0-9]-[0-9]", fullmatch=True),
)


@settings(max_examples=200 if LONG else 20)
@pytest.mark.parametrize("field", FIELDS)
@given(value=JSON | NEARLY_RIGHT)
def test_any_json_value_is_a_config_error_or_a_config_that_comes_back(field, value):
    fields = {**FlowConfig().to_dict(), field: value}
    try:
        config = FlowConfig.from_dict(fields)
    except ConfigError:
        return
    assert FlowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


# ------------------------------------------------------------------------------ from_dict


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in OPTIONAL])
def test_a_missing_field_is_refused_by_name(field):
    fields = FlowConfig().to_dict()
    del fields[field]
    with pytest.raises(ConfigError, match=f"lacks the field '{field}'"):
        FlowConfig.from_dict(fields)


def test_an_unknown_field_is_refused_by_name_and_cut_short():
    with pytest.raises(ConfigError, match="unknown field 'depth'.* known are bits, context, coupling"):
        FlowConfig.from_dict({**FlowConfig().to_dict(), "depth": 3})
    with pytest.raises(ConfigError) as refused:
        FlowConfig.from_dict({**FlowConfig().to_dict(), "x" * 10_000: 3})
    assert len(str(refused.value)) < 300


def test_names_that_are_no_text_are_refused_too():
    with pytest.raises(ConfigError, match="unknown field"):
        FlowConfig.from_dict({**FlowConfig().to_dict(), 1: 2, None: 3})


@pytest.mark.parametrize("fields", [None, [], "config", 3, [("levels", 3)]], ids=str)
def test_what_is_no_object_is_refused(fields):
    with pytest.raises(ConfigError, match="must be an object"):
        FlowConfig.from_dict(fields)


def test_the_word_for_order_and_weights_in_files_of_0_2_is_read_past():
    fields = FlowConfig().to_dict()
    assert FlowConfig.from_dict({**fields, "split": "weighted"}) == FlowConfig()


def test_a_config_of_version_0_1_is_refused_in_one_sentence():
    fields = FlowConfig().to_dict()
    for name in ("order", "weights", "partition"):
        del fields[name]
    with pytest.raises(ConfigError) as refused:
        FlowConfig.from_dict({**fields, "split": "weighted", "init": "dealt"})
    assert str(refused.value) == OLDER
