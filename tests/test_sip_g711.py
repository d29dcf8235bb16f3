"""G.711 against the standard's values and Python's own codec."""

import sys
import warnings

import numpy as np
import pytest

from local.sip.g711 import CODECS

ALL_SAMPLES = np.arange(65536).astype(np.uint16).view(np.int16)
ALL_CODES = bytes(range(256))


@pytest.mark.parametrize(
    "name, code, sample",
    [
        ("PCMU", 0x00, -32124),
        ("PCMU", 0x80, 32124),
        ("PCMU", 0x7F, 0),
        ("PCMU", 0xFF, 0),
        ("PCMU", 0x55, -716),
        ("PCMA", 0x55, -8),
        ("PCMA", 0xD5, 8),
        ("PCMA", 0x80, 5504),
        ("PCMA", 0x7F, -848),
    ],
)
def test_known_codes_decode_to_known_samples(name, code, sample):
    assert CODECS[name].decode(bytes([code]))[0] == sample


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_every_code_survives_decoding_and_encoding(name):
    law = CODECS[name]
    again = law.encode(law.decode(ALL_CODES))
    # Mu-law has two zeros.
    different = [a for a, b in zip(ALL_CODES, again, strict=True) if a != b]
    assert different == ([0x7F] if name == "PCMU" else [])
    assert law.encode(np.zeros(1, np.int16))[0] == law.silence


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone")
@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_it_agrees_with_audioop(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    law = CODECS[name]
    decode = {"PCMU": audioop.ulaw2lin, "PCMA": audioop.alaw2lin}[name]
    encode = {"PCMU": audioop.lin2ulaw, "PCMA": audioop.lin2alaw}[name]
    assert law.decode(ALL_CODES).tobytes() == decode(ALL_CODES, 2)
    theirs = np.frombuffer(encode(ALL_SAMPLES.tobytes(), 2), np.uint8)
    ours = np.frombuffer(law.encode(ALL_SAMPLES), np.uint8)
    differing = np.flatnonzero(ours != theirs)
    # On a decision boundary of mu-law two codes are as good; ours is never the worse one.
    samples = ALL_SAMPLES[differing].astype(int)
    our_error = np.abs(law.decode(ours[differing].tobytes()) - samples)
    their_error = np.abs(law.decode(theirs[differing].tobytes()) - samples)
    assert len(differing) <= 400 and (our_error <= their_error).all()
