"""Integer weights from a model and its ranges, and the float model that integer weights stand for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lstm_core.foundation.errors import CheckpointError
from lstm_core.foundation.fixed_point import INDEX_BITS, LOGIT_BITS, SCALE_BITS, SILU_BITS
from lstm_core.model.integers.ranges import Ranges, made_up_windows, measured_ranges
from lstm_core.model.integers.units import HIDDEN_BITS
from lstm_core.model.integers.weights import (
    COARSE,
    MAX_ACTIVATION,
    MAX_CODE,
    MAX_FACTOR,
    MAX_OFFSET,
    MAX_SHIFT,
    MAX_WEIGHT,
    IntegerProduct,
    IntegerTable,
    IntegerWeights,
    check_inputs,
)
from lstm_core.model.music_lstm import MusicLSTM

HIDDEN_UNIT = 2.0**-HIDDEN_BITS  # of hidden vectors as activations
_SCALE, _LOGIT = 2.0**SCALE_BITS, 2.0**LOGIT_BITS


def quantised(model: MusicLSTM, ranges: Ranges) -> IntegerWeights:
    """The integer weights of a model whose numbers reach as far as `ranges` say.

    Each row of a matrix has its own unit, a 63rd of its greatest weight, of logits a 4,032nd; so has each hidden unit
    of a head as an activation, a 127th of its reach. What reaches further is cut off.

    Raises:
        CheckpointError: weights are no numbers, or weights or layers too large for integers; the message names them.
    """
    settings = model.settings
    weights = {name: p.detach().cpu().double() for name, p in model.state_dict().items()}
    for name, values in weights.items():
        if not bool(torch.isfinite(values).all()):
            raise CheckpointError(f"{name} holds weights that are no numbers: the training diverged")
    num_streams = range(len(settings.streams))
    input_unit = ranges.inputs / MAX_ACTIVATION
    layers = []
    for layer in range(settings.num_layers):
        below = weights[f"lstm.weight_ih_l{layer}"] * (input_unit if layer == 0 else HIDDEN_UNIT)
        matrix = torch.cat([below, weights[f"lstm.weight_hh_l{layer}"] * HIDDEN_UNIT], 1)
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        gates = _gate_scales(settings.hidden_size)
        layers.append(_product(f"lstm, layer {layer}", matrix * gates[:, None], bias * gates, 2.0**INDEX_BITS))
    unit_factors, outputs = [], []
    for k in num_streams:
        units = ranges.units[k].double() / MAX_ACTIVATION
        unit_factors.append(_factors(f"the units of head {k}", _SCALE * 2.0**-SILU_BITS / units))
        units = _SCALE * 2.0**-SILU_BITS / torch.from_numpy(unit_factors[-1]).double()  # as they were rounded
        weight, bias = weights[f"outputs.{k}.weight"] * units, weights[f"outputs.{k}.bias"]
        outputs.append(_product(f"outputs.{k}", weight, bias, _LOGIT, is_fine=True))
    return IntegerWeights(
        settings=settings,
        events=tuple(_table(weights, f"event_embeddings.{k}.weight") for k in num_streams),
        contexts=tuple(_table(weights, f"context_embeddings.{k}.weight") for k in range(len(settings.contexts))),
        flags=_flags(weights, settings.hidden_size),
        input_factor=int(_factors("the inputs", torch.tensor([_SCALE / _LOGIT / input_unit]))[0]),
        layers=tuple(layers),
        heads=_product("head_hidden", weights["head_hidden.weight"] * HIDDEN_UNIT, weights["head_hidden.bias"], _LOGIT),
        unit_factors=tuple(unit_factors),
        outputs=tuple(outputs),
        chains=tuple(_table(weights, f"chains.{k}.weight") for k in num_streams[:-1]),
        onsets=tuple(_table(weights, f"onset_embeddings.{k}.weight") for k in range(len(settings.onset_contexts))),
    )


def quantised_unseen(model: MusicLSTM) -> IntegerWeights:
    """The integer weights of a model of which no pieces are at hand: its ranges are those on random events."""
    return quantised(model, measured_ranges(model, made_up_windows(model.settings)))


def float_weights(integers: IntegerWeights) -> dict[str, Tensor]:
    """The weights that integers stand for, as the state of a MusicLSTM in float32."""
    settings, found = integers.settings, {}
    input_unit = _SCALE / _LOGIT / integers.input_factor
    for layer, product in enumerate(integers.layers):
        matrix, bias = _floats(product, 2.0**INDEX_BITS)
        gates = _gate_scales(settings.hidden_size)
        below, hidden = (matrix / gates[:, None]).chunk(2, 1)
        found[f"lstm.weight_ih_l{layer}"] = below / (input_unit if layer == 0 else HIDDEN_UNIT)
        found[f"lstm.weight_hh_l{layer}"] = hidden / HIDDEN_UNIT
        found[f"lstm.bias_ih_l{layer}"], found[f"lstm.bias_hh_l{layer}"] = bias / gates, torch.zeros_like(bias)
    matrix, found["head_hidden.bias"] = _floats(integers.heads, _LOGIT)
    found["head_hidden.weight"] = matrix / HIDDEN_UNIT
    for k, product in enumerate(integers.outputs):
        units = _SCALE * 2.0**-SILU_BITS / torch.from_numpy(integers.unit_factors[k]).double()
        matrix, found[f"outputs.{k}.bias"] = _floats(product, _LOGIT)
        found[f"outputs.{k}.weight"] = matrix / units
    for name, tables in (
        ("event_embeddings", integers.events),
        ("context_embeddings", integers.contexts),
        ("chains", integers.chains),
        ("onset_embeddings", integers.onsets),
    ):
        for k, table in enumerate(tables):
            found[f"{name}.{k}.weight"] = torch.from_numpy(table.rows()) / _LOGIT
    if settings.num_flags:
        found["flags.weight"] = torch.from_numpy(integers.flags.rows()).T / _LOGIT
    return {name: values.float().contiguous() for name, values in found.items()}


def _gate_scales(width: int) -> Tensor:
    """The gates i, f and o are read off a table of tanh(x / 2), g off one of tanh(x): float64 [4 width]."""
    scales = torch.full((4 * width,), 0.5, dtype=torch.float64)
    scales[2 * width : 3 * width] = 1.0
    return scales


def _product(name: str, matrix: Tensor, bias: Tensor, unit: float, *, is_fine: bool = False) -> IntegerProduct:
    """The integers of matrix activations + bias, of which the result is counted in 1 / unit."""
    check_inputs(name, matrix.shape[1], is_fine=is_fine)
    most = MAX_WEIGHT * COARSE if is_fine else MAX_WEIGHT
    factors = _factors(name, matrix.abs().amax(1) / most * unit * _SCALE)
    rows = torch.from_numpy(factors).double() / (unit * _SCALE)
    codes = torch.round(matrix / rows[:, None]).clamp(-most, most)
    coarse = torch.round(codes / COARSE) if is_fine else codes
    fine = (codes - COARSE * coarse).to(torch.int8).numpy() if is_fine else None
    offsets = bias * (unit * _SCALE)
    if bool((offsets.abs() > MAX_OFFSET).any()):
        raise CheckpointError(f"the biases of {name} are too large for integers: the training diverged")
    return IntegerProduct(coarse.to(torch.int8).numpy(), factors, torch.round(offsets).to(torch.int64).numpy(), fine)


def _floats(product: IntegerProduct, unit: float) -> tuple[Tensor, Tensor]:
    """Matrix and bias of a product: float64."""
    rows = torch.from_numpy(product.factor).double() / (unit * _SCALE)
    matrix = torch.from_numpy(product.whole()).double() * rows[:, None]
    return matrix, torch.from_numpy(product.offset).double() / (unit * _SCALE)


def _factors(name: str, values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    if bool((values > MAX_FACTOR).any()):
        raise CheckpointError(f"the weights of {name} are too large for integers: the training diverged")
    return torch.round(values).clamp(min=1).to(torch.int32).numpy()


def _table(weights: dict[str, Tensor], name: str) -> IntegerTable:
    return _coded(name, weights[name])


def _flags(weights: dict[str, Tensor], width: int) -> IntegerTable:
    if "flags.weight" not in weights:
        return IntegerTable(np.zeros((0, width), dtype=np.int8), np.zeros(0, dtype=np.int8))
    return _coded("flags.weight", weights["flags.weight"].T)


def _coded(name: str, rows: Tensor) -> IntegerTable:
    """A table whose rows are counted in the least 2^shift of a logit's unit that their greatest value lets."""
    values = rows * _LOGIT
    shifts = torch.ceil(torch.log2(values.abs().amax(1).clamp(min=1) / MAX_CODE)).clamp(min=0)
    if shifts.numel() and float(shifts.max()) > MAX_SHIFT:
        raise CheckpointError(f"the weights of {name} are too large for integers: the training diverged")
    codes = torch.round(values / 2.0 ** shifts[:, None])
    return IntegerTable(codes.to(torch.int8).contiguous().numpy(), shifts.to(torch.int8).numpy())
