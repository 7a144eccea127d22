"""How does a catalog server look? Tables, arrays and text behind the protocol of Intake 0.7.0, without its pickles.

`python -m gateway.demo.catalog --port 0` starts it. The parts, in the order in which a request meets them:

* `http`: reads the request and writes the answer as the original's web server does, one request at a time
* `protocol`: what is listed, opened, searched and read, and what is remembered of it
* `entries`: catalogs, their entries, and the parameters that these take
* `sources`: what an opened entry gives, part by part
* `encoding`: how values travel
* `contents`: the entries of this lab
"""
