"""How does a small REST upstream look? Image metadata in SQLite and binary tiles, described by OpenAPI 3.1.

`python -m gateway.demo.files --port 0` starts it. The parts, in the order in which a request meets them:

* `http`: reads the request and writes the answer; HEAD, `If-None-Match` and `Range`
* `router`: finds the operation that the document has for verb and path, and reads its arguments
* `document`, `schemas`: the OpenAPI document, from which `router` takes paths, parameters and their limits
* `checking`: says what is wrong with a value that does not fit its schema
* `operations`: one function for each operationId
* `store`: what the service remembers, in SQLite
* `pixels`: tiles, thumbnails and uploaded arrays
"""
