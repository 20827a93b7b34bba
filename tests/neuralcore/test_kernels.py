"""One conformance test for every op: each implementation gives what the reference gives, at odd sizes.

A case file `kernel_cases/<op>.py` has OP, SIZES, TOLERANCE, `make_case(size, rng) -> (args, kwargs)` and
`outputs(args, result) -> {name: array}`. Ops are found from `neuralcore.kernels.OPS`; one without a case fails.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from neuralcore import kernels
from neuralcore.errors import UserError

CASES = Path(__file__).parent / "kernel_cases"


def case(op: str) -> ModuleType:
    path = CASES / f"{op}.py"
    assert path.is_file(), f"op {op} has no case file {path}"
    spec = importlib.util.spec_from_file_location(f"kernel_case_{op}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def function(op: str) -> Any:
    return getattr(importlib.import_module(f"neuralcore.kernels.{op}"), op)


def as_tensors(values: Any) -> Any:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if isinstance(values, np.ndarray):
        return torch.from_numpy(values).to(device)
    if hasattr(values, "_fields"):  # a named tuple takes its fields one by one
        return type(values)(*map(as_tensors, values))
    if isinstance(values, (list, tuple)):
        return type(values)(as_tensors(v) for v in values)
    if isinstance(values, dict):
        return {k: as_tensors(v) for k, v in values.items()}
    return values


def as_arrays(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {k: v.cpu().numpy() if hasattr(v, "cpu") else np.asarray(v) for k, v in values.items()}


def run(op: str, implementation: str, args: Any, kwargs: dict[str, Any]) -> dict[str, np.ndarray]:
    args, kwargs = copy.deepcopy((args, kwargs))
    if implementation == "cuda":
        args, kwargs = as_tensors(args), as_tensors(kwargs)
    result = function(op)(*args, **kwargs, implementation=implementation)
    return as_arrays(case(op).outputs(args, result))


FAST = [
    (op, implementation, size)
    for op, implementations in kernels.OPS.items()
    for implementation in implementations
    if implementation != "reference"
    for size in case(op).SIZES
]


@pytest.mark.parametrize(("op", "implementation", "size"), FAST, ids=lambda v: str(v).replace(" ", ""))
def test_agrees_with_the_reference(op: str, implementation: str, size: Any) -> None:
    if implementation == "cuda":
        pytest.importorskip("triton")
    args, kwargs = case(op).make_case(size, np.random.default_rng(7))
    expected = run(op, "reference", args, kwargs)
    found = run(op, implementation, args, kwargs)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], **case(op).TOLERANCE, err_msg=f"{op} {name}")


@pytest.mark.parametrize("op", kernels.OPS)
def test_an_op_says_what_it_lacks(op: str) -> None:
    args, kwargs = case(op).make_case(case(op).SIZES[0], np.random.default_rng(0))
    with pytest.raises(UserError, match="known: "):
        function(op)(*args, **kwargs, implementation="fortran")


def test_every_op_folder_is_in_the_table() -> None:
    folders = {p.parent.name for p in Path(kernels.__file__).parent.glob("*/__init__.py")}
    assert folders == set(kernels.OPS)
    for op, implementations in kernels.OPS.items():
        files = {p.stem for p in (Path(kernels.__file__).parent / op).glob("*.py")} - {"__init__"}
        assert files == set(implementations), op


COMPILE = """
import importlib, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
of_one, *ops = sys.argv[1:]
for op in ops:
    module = importlib.import_module(f"neuralcore.kernels.{op}.cuda")
    assert module.COMPILE_SIGNATURES, op
    for kernel, signature, constants in module.COMPILE_SIGNATURES:
        if of_one == "True":
            free = (p.name for p in kernel.params if not p.do_not_specialize)
            ones = [name for name in free if signature.get(name) in ("i32", "i64")]
            signature = {**signature, **dict.fromkeys(ones, "constexpr")}
            constants = {**constants, **dict.fromkeys(ones, 1)}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
        assert compiled.asm["cubin"], op
        print(op, kernel.__name__, len(compiled.asm["cubin"]))
"""


@pytest.mark.parametrize("of_one", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_triton_kernel_compiles_for_sm_90(of_one: bool, tmp_path: Path) -> None:
    """In a process of its own: under the interpreter there is nothing to compile.

    Called with a whole number that is 1, Triton makes a constant of it, which the interpreter does not.
    """
    pytest.importorskip("triton")
    ops = [op for op, implementations in kernels.OPS.items() if "cuda" in implementations]
    ops.remove("edge_gradient")  # torch's matrix products alone
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(kernels.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(of_one), *ops],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(ops)
