"""Weights from files, biases, and the command: what people give, and what they get wrong."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import verify
from verify.certificate.weights import Weights, from_state, read_weights, without_bias
from verify.cli import main

W, Z = [[1.0, 0.5], [-1.0, 2.0]], [1.0, -1.0]
X, Y = np.array([[1.0, 2.0], [-1.0, 0.3], [2.0, -1.0]]), np.array([1.0, 0.0, 1.0])


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["certify", *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "w.npz", W=W, z=Z)
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    return tmp_path / "w.npz", tmp_path / "d.npz"


def test_the_command_prints_one_page_and_json(capsys, files):
    code, out, err = call(capsys, *files, "--slope", "0.1")
    assert (code, err) == (0, "")
    assert out.rstrip("\n") == repr(verify.certify(W, Z, X, Y, slope=0.1))
    code, out, _ = call(capsys, *files, "--slope", "0.1", "--json")
    assert code == 0
    told = json.loads(out)
    assert told == json.loads(json.dumps(verify.certify(W, Z, X, Y, slope=0.1).to_dict()))
    assert told["differentiable"] == {**told["differentiable"], "outcome": "holds", "evidence": "exact"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"W": W}, "missing z"),
        ({"W": W, "z": Z, "b1": [1, 1]}, "nothing else but b"),
        ({"W": W, "z": [1.0]}, "z has shape"),
        ({"W": [[1.0, 2.0, 3.0]], "z": [1.0]}, "3 columns"),
        ({"W": [[np.nan, 1.0]], "z": [1.0]}, "NaN"),
        ({"W": W, "z": Z, "b": [1.0, 0.0]}, "constant-feature"),
        ({"W": W, "z": Z, "c": 0.5}, "constant-feature"),
        ({"W": np.array([[None, 1]], dtype=object), "z": [1.0]}, "cannot be read"),
        ({"W": [["a", "b"]], "z": [1.0]}, "real numbers"),
    ],
)
def test_bad_weights_are_one_line_and_exit_code_2(capsys, files, tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **{name: np.array(value) for name, value in arrays.items()})
    code, out, err = call(capsys, tmp_path / "bad.npz", files[1])
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X[:, :1]}, "X has 1 features and W has 2 columns"),
        ({"X": X[0]}, "X has shape"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "neither empty"),
        ({"X": np.zeros((3, 0))}, "neither empty"),
        ({"X": X * np.nan}, "X has NaN or infinite"),
        ({"X": np.where(X > 1, -np.inf, X)}, "X has NaN or infinite"),
        ({"X": np.array([[None, 1]] * 3, dtype=object)}, "cannot be read"),
        ({"X": X + 1j}, "real numbers"),
        ({"X": X * [[1.0], [0.0], [1.0]]}, "sample 1 is zero"),
        ({"y": Y[:2]}, "y has shape (2,); expected (3,)"),
        ({"y": np.column_stack([Y, Y])}, "y has shape"),
        ({"y": np.array([1.0, np.inf, 0.0])}, "y has NaN or infinite"),
        ({"y": np.array(["a", None, 1], dtype=object)}, "cannot be read"),
        ({"y": np.array(["a", "b", "c"])}, "real numbers"),
    ],
)
def test_bad_data_are_one_line_and_exit_code_2(capsys, files, tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **{"X": X, "y": Y, **arrays})
    code, out, err = call(capsys, files[0], tmp_path / "bad.npz")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_dead_neurons_are_counted_and_certified(capsys, files, tmp_path, monkeypatch):
    """A neuron that is never active is one like others; one without weights is on every boundary."""
    monkeypatch.setattr("verify.certificate.certify.best_rival", lambda *_: None)
    np.savez(tmp_path / "positive.npz", X=np.abs(X), y=Y)
    np.savez(tmp_path / "never.npz", W=[[1.0, 2.0], [-5.0, -5.0]], z=Z)
    code, out, _ = call(capsys, tmp_path / "never.npz", tmp_path / "positive.npz", "--json")
    assert (code, json.loads(out)["inactive_neurons"], json.loads(out)["differentiable"]["outcome"]) == (0, 1, "holds")
    np.savez(tmp_path / "zero.npz", W=np.zeros((2, 2)), z=Z)
    code, out, _ = call(capsys, tmp_path / "zero.npz", files[1], "--json")
    found = json.loads(out)
    assert code == 0
    assert found["differentiable"]["outcome"] == "violated"
    assert found["local_minimum"]["outcome"] == "not applicable"
    assert (found["zero_inputs"]["count"], found["zero_inputs"]["kept"]) == (6, 0)


def test_zero_biases_and_column_vectors_are_taken_as_they_are(capsys, files, tmp_path):
    np.savez(tmp_path / "z.npz", W=W, z=np.array([Z]), b=np.zeros(2), c=0.0)
    assert call(capsys, tmp_path / "z.npz", files[1])[1] == call(capsys, *files)[1]


def test_biases_become_a_constant_feature_and_labels(capsys, files, tmp_path):
    b, c = np.array([0.25, -4.0]), 0.125
    np.savez(tmp_path / "b.npz", W=W, z=Z, b=b, c=c)
    code, out, _ = call(capsys, tmp_path / "b.npz", files[1], "--bias", "constant-feature", "--slope", "0.5", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["d0"] == 3
    assert len(found["notes"]) >= 2
    hidden = X @ np.array(W).T + b
    outputs = np.where(hidden > 0, hidden, 0.5 * hidden) @ Z + c
    assert found["mse"][0] <= np.mean((Y - outputs) ** 2) <= found["mse"][1]
    assert found["errors"] == [int(((outputs > 0.5) != (Y > 0.5)).sum())] * 2
    assert call(capsys, tmp_path / "b.npz", files[1], "--bias", "no")[0] == 2
    np.savez(tmp_path / "b.npz", W=W, z=Z, b=np.ones(3))
    assert call(capsys, tmp_path / "b.npz", files[1], "--bias", "constant-feature")[0] == 2


def test_missing_and_strange_files(capsys, files, tmp_path):
    assert call(capsys, tmp_path / "none.npz", files[1])[0] == 2
    assert call(capsys, files[0], tmp_path / "none.npz")[0] == 2
    with (tmp_path / "one.npz").open("wb") as stream:
        np.save(stream, np.ones(3))
    assert "not an .npz archive" in call(capsys, tmp_path / "one.npz", files[1])[2]
    assert call(capsys, files[1], files[0])[0] == 2
    assert call(capsys, files[0], files[1], "--slope", "1")[0] == 2
    assert call(capsys, files[0], files[1], "--tolerance", "x")[0] == 2
    assert call(capsys, files[0])[0] == 2


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_refused(tmp_path, content):
    for suffix in (".npz", ".bin"):
        path = tmp_path / f"fuzz{suffix}"
        path.write_bytes(content)
        with pytest.raises(verify.InputError):
            read_weights(path)


def test_a_state_dict_needs_pytorch(capsys, files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = call(capsys, tmp_path / "model.pt", files[1])
    assert code == 2
    assert "pip install torch" in err


def state(**arrays):
    return {name.replace("_", "."): np.array(value, dtype=np.float32) for name, value in arrays.items()}


def test_state_dicts_of_two_linear_layers():
    found = from_state(state(l0_weight=W, l0_bias=[1, 2], l2_weight=[Z], l2_bias=[3]))
    assert found.W.tolist() == W
    assert found.z.tolist() == Z
    assert found.hidden_bias.tolist() == [1, 2]
    assert found.output_bias.tolist() == [3]
    assert found.biased
    assert not from_state(state(a=W, b=[Z])).biased
    one = from_state(state(a_weight=[[1, 2]], a_bias=[5], b_weight=[[3]]))
    assert (one.hidden_bias.tolist(), one.output_bias) == ([5], None)
    one = from_state(state(a_weight=[[1, 2]], b_weight=[[3]], b_bias=[5]))
    assert (one.hidden_bias, one.output_bias.tolist()) == (None, [5])


@pytest.mark.parametrize(
    "given_state",
    [
        {},
        [1, 2],
        {"a": "text"},
        state(a=W),
        state(a=W, b=W),
        state(a=W, b=[Z], c=[Z]),
        state(a=W, b=[Z], running=1.0),
        state(a=W, b=[Z], bias=[1, 2, 3]),
        state(conv=np.ones((2, 1, 3)), b=[Z]),
    ],
)
def test_other_state_dicts_are_named(given_state):
    with pytest.raises(verify.InputError, match=r"expected one hidden layer|no state dict"):
        from_state(given_state)


def test_the_model_without_biases_has_the_same_outputs():
    weights = Weights(np.array(W), np.array(Z), np.array([1.0, -1.0]), np.array([0.5]))
    made = without_bias(weights, X, Y, "constant-feature")
    first, second, samples, labels = made.arrays
    assert (np.maximum(samples @ first.T, 0) @ second - labels).tolist() == pytest.approx(
        (np.maximum(X @ np.array(W).T + [1.0, -1.0], 0) @ np.array(Z) + 0.5 - Y).tolist()
    )
    assert made.output_bias == 0.5
    with pytest.raises(verify.InputError, match="got bias"):
        without_bias(weights, X, Y, "fold")


def test_a_network_trained_in_pytorch(capsys, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 30, bias=False), torch.nn.ReLU(), torch.nn.Linear(30, 1, bias=False))
    rng = np.random.default_rng(0)
    samples, labels = rng.standard_normal((20, 5)), rng.integers(0, 2, 20)
    inputs, targets = torch.tensor(samples, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(1500):
        optimizer.zero_grad()
        torch.mean((model(inputs)[:, 0] - targets) ** 2).backward()
        optimizer.step()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    np.savez(tmp_path / "d.npz", X=samples, y=labels)
    code, out, _ = call(capsys, tmp_path / "model.pt", tmp_path / "d.npz", "--json")
    assert code == 0
    assert [json.loads(out)[name]["outcome"] for name in ("differentiable", "local_minimum")] == ["holds", "holds"]
    torch.save(model, tmp_path / "whole.pt")
    assert call(capsys, tmp_path / "whole.pt", tmp_path / "d.npz")[0] == 2


class Hostile:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda torch: b"", "cannot be read as a state dict"),
        (lambda torch: b"\x80\x04not a pickle", "cannot be read as a state dict"),
        (lambda torch: {"w": "text"}, "no state dict"),
        (lambda torch: torch.ones(3), "no state dict"),
        (lambda torch: {"a": torch.ones(2, 3), "b": torch.ones(2, 2), "c": torch.ones(1, 2)}, "expected one hidden"),
        (lambda torch: {"a": torch.ones(2, 3), "b": torch.ones(3, 2)}, "expected one hidden"),
        (lambda torch: {"a": torch.full((2, 2), float("nan")), "b": torch.ones(1, 2)}, "NaN"),
        (lambda torch: {"a": torch.ones(2, 5), "b": torch.ones(1, 2)}, "5 columns"),
        (lambda torch: {"a": torch.ones(0, 2), "b": torch.ones(1, 0)}, "neither empty"),
        (lambda torch: {"a": torch.ones(2, 2, dtype=torch.complex64), "b": torch.ones(1, 2)}, "it is complex"),
        (
            lambda torch: {"a": torch.ones(2, 2).to_sparse(), "b": torch.ones(1, 2)},
            "no array of numbers|cannot be read",
        ),
    ],
)
def test_files_of_pytorch_that_cannot_be_used_are_one_line(capsys, files, tmp_path, made, message):
    torch = pytest.importorskip("torch")
    content = made(torch)
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    code, out, err = call(capsys, path, files[1])
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert err.count("\n") == 1


def test_a_file_of_pytorch_that_is_cut_off_or_would_run_something_is_refused(capsys, files, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(2, 2), "b": torch.ones(1, 2)}, path)
    path.write_bytes(path.read_bytes()[:-200])
    assert call(capsys, path, files[1])[0] == 2
    torch.save({"a": Hostile(tmp_path / "made")}, path)
    code, _, err = call(capsys, path, files[1])
    assert code == 2
    assert "cannot be read as a state dict of tensors alone" in err
    assert not (tmp_path / "made").exists()
    assert "there is no file" in call(capsys, tmp_path / "none.pt", files[1])[2]


def test_the_example_of_the_page(capsys, tmp_path, monkeypatch):
    """Trained as docs/certify.md says, the verdicts are those that it shows; other digits may differ by version."""
    pytest.importorskip("torch")
    page = (Path(__file__).parents[3] / "docs" / "certify.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import numpy as np\nimport torch\n[^`]*)```", page)
    (shown,) = re.findall(r"```text\n(Certificate\(N = 40[^`]*)```", page)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/certify.md", "exec"), {})
    assert "has biases" in call(capsys, "model.pt", "data.npz", "--slope", "0.01")[2]
    arguments = ("model.pt", "data.npz", "--slope", "0.01", "--bias", "constant-feature")
    _, out, _ = call(capsys, *arguments)
    verdicts = re.findall(r"^  \w+ +\w+ · \w+$", shown, flags=re.M)
    assert len(verdicts) == 4
    assert re.findall(r"^  \w+ +\w+ · \w+$", out, flags=re.M) == verdicts
