"""Receive: OTLP over gRPC, over HTTP and from files, in front of one seam, ``Submit`` (``submit.py``).

``serve.py`` starts the servers, ``grpc.py`` and ``http.py`` are what they serve, ``files.py`` reads files.
Requests are parsed (``otlp_protobuf.py``, ``otlp_json.py``) and handed on by ``accept`` (``entrance.py``),
which rejects the spans that no trace can hold (``span_ids.py``).
"""
