"""Cuts a Piper voice in three: text to prior frames, these to latent frames, these to sound.

The second part (the flow) and the third (the vocoder) look only some frames to each side, so they
can be run on windows: the first sound is ready after a fraction of a sentence, and the result is
the same, sample for sample.
The cut is made in memory on the protobuf bytes; neither package onnx nor a second file is needed,
and the file on disk stays as it was published.

Source: onnx/onnx.proto3 (field numbers), piper's VITS export (node names).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 7, 1, 5, 11, 12, 13
_CHANNELS = 192
_FIXED_BYTES = {1: 8, 5: 4}


@dataclass(frozen=True)
class SplitVoice:
    """A voice in three parts, each an ONNX model.

    Parameters:
        front: Phoneme ids → ``prior`` and ``durations``.
        flow: ``prior`` and ``mask`` → ``latent``.
        back: ``latent`` → sound.
        prior: Name of the tensor before the flow, ``[1, 192, frames]``.
        mask: Name of the flow's other input, ``[1, 1, frames]``: ones.
        latent: Name of the tensor behind the flow, ``[1, 192, frames]``.
        durations: Name of the output with the frames of each phoneme id.
    """

    front: bytes
    flow: bytes
    back: bytes
    prior: str
    mask: str
    latent: str
    durations: str


def split_voice(data: bytes) -> SplitVoice:
    """Cut the voice at the entries of its flow and of its decoder.

    Raises:
        ValueError: If this is no Piper voice.
    """
    model = _Model(data)
    try:
        flow = next(node for node in model.nodes if node.name.startswith("/flow/"))
        gate = next(n for n in model.nodes if n.name.startswith("/flow/") and n.name[-4:] == "/Mul")
        entry = next(node for node in model.nodes if node.name.endswith("dec/conv_pre/Conv"))
        outputs = [name for node in model.nodes for name in node.outputs]
        durations = next(name for name in outputs if name.endswith("Ceil_output_0"))
    except StopIteration as error:
        raise ValueError("not a Piper voice: its parts were not found") from error
    prior, mask, latent = flow.inputs[0], gate.inputs[1], entry.inputs[0]
    whole_inputs = {name: bytes(raw) for name, raw in model.inputs.items()}
    whole_outputs = {name: bytes(raw) for name, raw in model.outputs.items()}
    return SplitVoice(
        model.part(whole_inputs, {name: _output(name) for name in (prior, durations)}),
        model.part(
            {prior: _input(prior, _CHANNELS), mask: _input(mask, 1)}, {latent: _output(latent)}
        ),
        model.part({latent: _input(latent, _CHANNELS)}, whole_outputs),
        prior,
        mask,
        latent,
        durations,
    )


@dataclass
class _Node:
    raw: memoryview
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, payload: memoryview, raw: memoryview) -> "_Node":
        node = cls(raw)
        for number, value, _ in _fields(payload):
            if number == 1:
                node.inputs.append(_text(value))
            elif number == 2:
                node.outputs.append(_text(value))
            elif number == 3:
                node.name = _text(value)
        return node


class _Model:
    """The parts of an ONNX file that a cut needs."""

    def __init__(self, data: bytes):
        self.nodes: list[_Node] = []
        self.initializers: dict[str, memoryview] = {}
        self.inputs: dict[str, memoryview] = {}
        self.outputs: dict[str, memoryview] = {}
        self._rest = b""
        self._graph_rest = b""
        for number, value, raw in _fields(memoryview(data)):
            if number == _GRAPH and isinstance(value, memoryview):
                self._read_graph(value)
            else:
                self._rest += bytes(raw)

    def part(self, inputs: dict[str, bytes], outputs: dict[str, bytes]) -> bytes:
        """A model of only the nodes that ``outputs`` need, starting at ``inputs``."""
        wanted, used = set(outputs), set()
        kept: list[memoryview] = []
        for node in reversed(self.nodes):  # they are in topological order
            if wanted & set(node.outputs):
                kept.append(node.raw)
                needed = [name for name in node.inputs if name not in inputs]
                wanted.update(needed)
                used.update(needed)
        pieces = [bytes(raw) for raw in reversed(kept)]
        pieces += [bytes(raw) for name, raw in self.initializers.items() if name in used]
        pieces += [*inputs.values(), *outputs.values()]
        return self._rest + _encode(_GRAPH, self._graph_rest + b"".join(pieces))

    def _read_graph(self, graph: memoryview) -> None:
        for number, value, raw in _fields(graph):
            if not isinstance(value, memoryview):
                self._graph_rest += bytes(raw)
            elif number == _NODE:
                self.nodes.append(_Node.parse(value, raw))
            elif number == _INITIALIZER:
                self.initializers[_named(value, 8)] = raw
            elif number == _INPUT:
                self.inputs[_named(value, 1)] = raw
            elif number == _OUTPUT:
                self.outputs[_named(value, 1)] = raw
            elif number != _VALUE_INFO:
                self._graph_rest += bytes(raw)


def _input(name: str, channels: int) -> bytes:
    """A declared input: floats, ``[1, channels, frames]``."""
    dimensions = (_encode(1, 1), _encode(1, channels), _encode(2, b"frames"))
    shape = b"".join(_encode(1, dimension) for dimension in dimensions)
    tensor = _encode(1, 1) + _encode(2, shape)
    return _encode(_INPUT, _encode(1, name.encode()) + _encode(2, _encode(1, tensor)))


def _output(name: str) -> bytes:
    return _encode(_OUTPUT, _encode(1, name.encode()))


def _named(payload: memoryview, number: int) -> str:
    return next(_text(value) for found, value, _ in _fields(payload) if found == number)


def _text(value: memoryview | int) -> str:
    return bytes(value).decode() if isinstance(value, memoryview) else str(value)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int, memoryview]]:
    """Number, payload and raw bytes of each protobuf field."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _read_varint(data, at)
        else:
            length, at = _read_varint(data, at) if kind == 2 else (_FIXED_BYTES[kind], at)
            value = data[at : at + length]
            at += length
        yield tag >> 3, value, data[begin:at]


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _encode(number: int, payload: bytes | int) -> bytes:
    if isinstance(payload, int):
        return _varint(number << 3) + _varint(payload)
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
