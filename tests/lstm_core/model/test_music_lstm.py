"""Laws of MusicLSTM: probabilities sum to one, state is explicit, nothing looks ahead, dropout is a lane's own."""

from __future__ import annotations

import itertools

import pytest
import torch

from lstm_core.model.music_lstm import Inputs, ModelSettings, MusicLSTM, dropout_masks, num_weights, with_copies
from lstm_core.representations.representation import Stream

STREAMS = (Stream("time", 3), Stream("pitch", 4), Stream("length", 2))


def tiny_model(**changes: object) -> MusicLSTM:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    values: dict[str, object] = {
        "streams": STREAMS,
        "contexts": (Stream("position", 5), Stream("style", 3)),
        "num_flags": 2,
        "onset_contexts": (Stream("position", 4),),
        "num_lags": 2,
        "hidden_size": 12,
        "num_layers": 2,
        "head_size": 8,
        "dropout": 0.5,
    }
    return MusicLSTM(ModelSettings(**(values | changes)))  # type: ignore[arg-type]


def random_inputs(B: int, T: int) -> Inputs:
    generator = torch.Generator().manual_seed(5)

    def values(*sizes: int) -> torch.Tensor:
        columns = [torch.randint(0, size, (B, T), generator=generator) for size in sizes]
        return torch.stack(columns, dim=-1)

    events = values(*(stream.size for stream in STREAMS))
    previous = torch.cat([torch.zeros_like(events[:, :1]), events[:, :-1]], dim=1)
    flags = torch.randn(B, T, 2, generator=generator)
    positions = values(4)
    # One lag offers the event itself or one that differs in one stream, the other anything; both sometimes nothing.
    near = torch.where(values(2, 2, 3) > 0, events, values(3, 4, 2))
    recalled = torch.stack([near, values(3, 4, 2)], dim=2)
    recalled[values(4, 4) == 0] = -1
    return Inputs(events, previous, values(5, 3), flags, positions, recalled)


def windowed(inputs: Inputs, start: int, stop: int) -> Inputs:
    return Inputs(*(tensor[:, start:stop] for tensor in inputs))


def test_chained_heads_factorise_exactly() -> None:
    """The probabilities of all possible events sum to one."""
    model = tiny_model(onset_contexts=()).double()
    every = torch.tensor(list(itertools.product(*(range(stream.size) for stream in STREAMS))))[:, None]  # [24, 1, K]
    one = windowed(random_inputs(1, 1), 0, 1)
    count = len(every)
    inputs = Inputs(
        every,
        one.previous.expand(count, -1, -1),
        one.contexts.expand(count, -1, -1),
        one.flags.double().expand(count, -1, -1),
        one.onset_contexts.expand(count, -1, -1),
        torch.tensor([[1, 2, 0], [1, 3, 1]]).expand(count, 1, -1, -1),
    )
    state = model.initial_state(count)
    hidden = model.hidden(inputs, type(state)(state.hidden.double(), state.cell.double()))[0]
    logits = model.head_logits(hidden, inputs.events, inputs.onset_contexts, inputs.recalled)
    chosen = [stream.log_softmax(-1).gather(-1, every[..., k : k + 1])[..., 0] for k, stream in enumerate(logits)]
    joint = torch.stack(chosen).sum(0).exp()
    assert joint.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert joint.min() > 0 and joint.max() < 0.5
    assert not torch.allclose(logits[1][0], logits[1][-1])  # what head 0 chose is seen by head 1


def test_one_window_is_two_half_windows() -> None:
    model, inputs = tiny_model(), random_inputs(3, 10)
    whole, end = model(inputs, model.initial_state(3))
    first, middle = model(windowed(inputs, 0, 4), model.initial_state(3))
    second, last = model(windowed(inputs, 4, 10), middle)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-6)
    assert torch.allclose(last.hidden, end.hidden, atol=1e-6) and torch.allclose(last.cell, end.cell, atol=1e-6)
    assert not torch.allclose(model(windowed(inputs, 4, 10), model.initial_state(3))[0], whole[:, 4:], atol=1e-3)


def test_nothing_looks_ahead() -> None:
    """A value changes only the probabilities of the heads after its own and of later events."""
    model, inputs = tiny_model(), random_inputs(1, 6)
    before = model(inputs, model.initial_state(1))[0]
    for k, stream in enumerate(STREAMS):
        events, previous = inputs.events.clone(), inputs.previous.clone()
        events[0, 2, k] = previous[0, 3, k] = (inputs.events[0, 2, k] + 1) % stream.size
        after = model(inputs._replace(events=events, previous=previous), model.initial_state(1))[0]
        changed = (after != before)[0]
        assert not changed[:2].any() and not changed[2, :k].any()
        assert changed[2, k:].all() and changed[3:].all()


def test_a_copy_weight_counts_only_for_what_its_lag_offers() -> None:
    """Head k raises the value of a lag by the lag's weight, if the values before are the lag's own too."""
    weights = torch.tensor([10.0, 200.0])
    logits = [torch.cat([torch.zeros(stream.size), weights])[None, None] for stream in STREAMS]
    recalled = torch.tensor([[[[1, 2, 0], [1, 3, 1]]]])
    first, second, third = with_copies(logits, torch.tensor([[[1, 3, 0]]]), recalled, 3)
    assert first[0, 0].tolist() == [0, 210, 0]
    assert second[0, 0].tolist() == [0, 0, 10, 200]
    assert third[0, 0].tolist() == [0, 200]
    nothing = with_copies(logits, torch.tensor([[[0, 2, 0]]]), torch.where(recalled == 3, -1, recalled), 3)
    assert nothing[0][0, 0].tolist() == [0, 210, 0] and not nothing[1].any() and not nothing[2].any()
    assert not with_copies(logits, torch.tensor([[[1, 2, 0]]]), torch.full_like(recalled, -1), 3)[0].any()


def test_it_is_the_lstm_of_torch() -> None:
    """Layer by layer, as dropout wants it, is what nn.LSTM computes in one call."""
    model, inputs = tiny_model(), random_inputs(2, 7)
    x = sum(table(inputs.previous[..., k]) for k, table in enumerate(model.event_embeddings))
    x = x + sum(table(inputs.contexts[..., k]) for k, table in enumerate(model.context_embeddings))
    assert model.flags is not None
    expected, _ = model.lstm(x + model.flags(inputs.flags))
    assert torch.allclose(model.hidden(inputs, model.initial_state(2))[0], expected, atol=1e-6)


def test_dropout_masks_belong_to_lanes() -> None:
    """A lane has the same masks whoever works on it; kept values are scaled up to keep the mean."""
    settings = tiny_model(hidden_size=400, dropout=0.25).settings
    masks = dropout_masks(settings, 6, 11)
    assert masks is not None and masks.shape == (3, 6, 400)
    assert torch.equal(dropout_masks(settings, 4, 11), masks[:, :4])
    assert masks.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert masks.mean().item() == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(dropout_masks(settings, 6, 12), masks)
    assert dropout_masks(tiny_model(dropout=0.0).settings, 6, 11) is None


def test_a_mask_holds_for_the_whole_window() -> None:
    model, inputs = tiny_model(), random_inputs(2, 5)
    masks = torch.ones(3, 2, 12)
    assert torch.equal(model(inputs, model.initial_state(2), masks)[0], model(inputs, model.initial_state(2))[0])
    masks[-1, 1] = 0.0
    hidden, _ = model.hidden(inputs, model.initial_state(2), masks)
    assert (hidden[1] == 0).all() and (hidden[0] != 0).all()


def test_the_default_model_has_about_six_million_weights() -> None:
    from lstm_core.notes.score import FAMILIES
    from lstm_core.representations import note_events as streams
    from lstm_core.representations.conditions import note_contexts
    from lstm_core.representations.lookback import LAGS

    contexts = note_contexts(("chorale",))
    settings = ModelSettings(
        streams=streams.STREAMS,
        contexts=contexts,
        num_flags=len(FAMILIES),
        onset_contexts=contexts[:1],
        num_lags=len(LAGS),
    )
    assert 5_500_000 < num_weights(MusicLSTM(settings)) < 6_600_000


@pytest.mark.parametrize(("name", "value"), [("hidden_size", 0), ("dropout", 1.0), ("streams", ())])
def test_impossible_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"must be|at least one"):
        tiny_model(**{name: value})
