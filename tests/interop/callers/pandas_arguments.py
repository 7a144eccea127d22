"""What does labgate's SDK send for values of pandas? Prints a JSON object: what each comes back as, from both encodings."""

import json

import numpy as np
import pandas as pd

from labgate._codec import Encoder, decode_json, decode_msgpack

ID = 2**60 + 1
VALUES = {
    "moment": pd.Timestamp("2020-01-01T00:00:00.123456789"),
    "moment with a zone": pd.Timestamp("2020-06-01", tz="Europe/Berlin"),
    "no moment": pd.NaT,
    "missing": pd.NA,
    "time": pd.Timedelta("1h 2s"),
    "ids": pd.Series([ID, 2], dtype="uint64"),
    "ids, one missing": pd.Series([ID, None], dtype="Int64"),
    "words": pd.Categorical(["a", "b"]),
    "index": pd.Index([ID]),
    "rows": pd.DataFrame(
        {"id": pd.array([ID, None], dtype="Int64"), "at": [pd.Timestamp("2020", tz="UTC"), pd.NaT]}
    ),
}


def plain(value):
    """An array as its dtype and values."""
    return [str(value.dtype), value.tolist()] if isinstance(value, np.ndarray) else value


def both(value):
    """What the value is on the other side, in JSON and in msgpack."""
    encoder = Encoder()
    return plain(decode_json(encoder.encode_json(value))), plain(
        decode_msgpack(encoder.encode_msgpack(value))
    )


print(json.dumps({name: both(value) for name, value in VALUES.items()}))
