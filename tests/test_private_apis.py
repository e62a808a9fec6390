"""The private parts of other packages that we use: each is there and does what we need, and no other is used.

All packages are pinned. Whoever raises a pin sees here what an upgrade has taken away, and what that breaks.
"""

from __future__ import annotations

import ast
import inspect
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.test_boundaries import ROOT

OURS = ("lstm_core", "jobs", "cluster")


def ray_callback() -> None:
    from ray.train.v2._internal.execution.callback import ControllerCallback

    for name in ("after_controller_start", "after_controller_state_update"):
        assert callable(getattr(ControllerCallback, name))
    parameters = inspect.signature(ControllerCallback.after_controller_state_update).parameters
    assert list(parameters) == ["self", "previous_state", "current_state"]


def ray_states() -> None:
    from ray.train.v2._internal.execution.controller import state

    for name in ("Preempting", "Resizing", "Restarting", "Rescheduling", "Running"):
        assert inspect.isclass(getattr(state, f"{name}State")), name


def ray_coordinator() -> None:
    from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as module

    assert callable(module.get_or_create_autoscaling_coordinator)
    source = inspect.getsource(module)
    for name in ("def get_reserved_resources", "def cancel_request", "recompute"):
        assert name in source, name


def packed_products() -> None:
    weight, rows = torch.randn(8, 16, dtype=torch.bfloat16), torch.randn(4, 16, dtype=torch.bfloat16)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, 4)
    product = torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "")
    assert torch.equal(product, torch.nn.functional.linear(rows, weight))


def products_of_bytes() -> None:
    rows, weight = torch.full((1, 512), -127, dtype=torch.int8), torch.full((8, 512), 63, dtype=torch.int8)
    sums = torch.empty(1, 8, dtype=torch.int32)
    torch._int_mm(rows, weight.t(), out=sums)
    assert sums.tolist() == [[-127 * 63 * 512] * 8]


def processor_features() -> None:
    assert torch.cpu._is_avx512_bf16_supported() in (True, False)
    assert torch.cpu._is_amx_tile_supported() in (True, False)
    assert torch.ops.mkldnn._is_mkldnn_bf16_supported() in (True, False)


def averages_at_once() -> None:
    average = [torch.zeros(3), torch.zeros(2)]
    torch._foreach_lerp_(average, [torch.ones(3), torch.full((2,), 4.0)], 0.25)
    assert [values.tolist() for values in average] == [[0.25] * 3, [1.0] * 2]


def no_peak_chunk() -> None:
    data = io.BytesIO()
    with soundfile.SoundFile(data, "w", 44100, 1, subtype="FLOAT", format="WAV") as file:
        soundfile._snd.sf_command(file._file, 0x1050, soundfile._ffi.NULL, 0)
        file.write(np.zeros(8, dtype=np.float32))
    assert b"PEAK" not in data.getvalue()


# What is used, what shows that it is there, and what is lost without it.
USED: dict[str, tuple[Callable[[], None], str]] = {
    "ray.train.v2._internal.execution.callback": (
        ray_callback,
        "jobs/train/watch.py: a state before workers go, the count of crashes that ends a run, quick restarts",
    ),
    "ray.data._internal.cluster_autoscaler": (
        ray_coordinator,
        "jobs/train/watch.py: restarts take 20 s longer, and 180 s after a driver that was killed",
    ),
    "torch.ops.mkldnn._reorder_linear_weight": (
        packed_products,
        "foundation/bfloat16.py: weights are laid out at every product, two thirds of the time of one row",
    ),
    "torch.ops.mkldnn._linear_pointwise": (packed_products, "foundation/bfloat16.py: the same"),
    "torch.ops.mkldnn._is_mkldnn_bf16_supported": (
        processor_features,
        "foundation/bfloat16.py: where oneDNN is held to an older instruction set, its products raise RuntimeError",
    ),
    "torch._int_mm": (products_of_bytes, "model/integers/: floats take the place of bytes, and the engine is slower"),
    "torch.cpu._is_avx512_bf16_supported": (
        processor_features,
        "foundation/bfloat16.py: whether bfloat16 is fast here is not known",
    ),
    "torch.cpu._is_amx_tile_supported": (processor_features, "foundation/bfloat16.py: the same"),
    "torch._foreach_lerp_": (averages_at_once, "training/updates.py: averaged weights, one tensor after another"),
    "soundfile._snd.sf_command": (no_peak_chunk, "sound/audio.py: float WAV holds the time of writing in a PEAK chunk"),
    "soundfile._ffi.NULL": (no_peak_chunk, "sound/audio.py: the same"),
}


@pytest.mark.parametrize("name", USED)
def test_it_is_there_and_does_what_we_need(name: str) -> None:
    check, lost = USED[name]
    try:
        check()
    except (AttributeError, ImportError, TypeError, RuntimeError, AssertionError) as error:
        pytest.fail(f"{name} is not what it was ({error!r}). Without it: {lost}")


def test_the_states_whose_names_are_compared_exist() -> None:
    """watch.py looks at names of classes: one that is renamed would never be seen again, without any error."""
    ray_states()


def test_no_other_is_used() -> None:
    found = {
        name
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        for name in private_names(path.read_text(encoding="utf-8"))
    }
    assert found == set(USED)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import torch\ntorch._C._set(1)", {"torch._C._set"}),
        ("import numpy as np\nnp.core._x", {"numpy.core._x"}),
        ("from ray._private import services", {"ray._private"}),
        ("def f():\n    from a.b._c import d\n    import e._f", {"a.b._c", "e._f"}),
        ("from lstm_core.a import _b\nimport os\nos._exit(1)\nself._x\nx.__name__", set()),
    ],
)
def test_planted_uses_are_found(source: str, names: set[str]) -> None:
    assert private_names(source) == names


def private_names(source: str) -> set[str]:
    """Private modules and attributes of other packages that a source names, by the package's own name."""
    tree = ast.parse(source)
    modules: dict[str, str] = {}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                found.add(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            parts: list[str] = []
            part: ast.expr = node
            while isinstance(part, ast.Attribute):
                parts.insert(0, part.attr)
                part = part.value
            if isinstance(part, ast.Name) and part.id in modules:
                found.add(".".join([modules[part.id], *parts]))
    return {name for name in found if _is_private(name)}


def _is_private(name: str) -> bool:
    top, *parts = name.split(".")
    is_hidden = any(part.startswith("_") and not part.startswith("__") for part in parts)
    return is_hidden and top not in (*OURS, "os", "sys")


def test_what_we_call_and_will_be_gone_is_an_error(tmp_path: Path) -> None:
    """Deprecation warnings were silent in all tests, so that the end of what we use came unannounced."""
    calling = compile("import warnings\nwarnings.warn('soon gone', DeprecationWarning)", "x.py", "exec")
    for module in OURS:
        with pytest.raises(DeprecationWarning, match="soon gone"):
            exec(calling, {"__name__": f"{module}.storage.s3"})
    with warnings.catch_warnings(record=True) as caught:
        exec(calling, {"__name__": "ray.data"})
    assert caught == []
