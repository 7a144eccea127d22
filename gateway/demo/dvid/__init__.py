"""A small DVID: versioned volumes, labels, key-values and annotations behind DVID's HTTP API, over numpy."""
