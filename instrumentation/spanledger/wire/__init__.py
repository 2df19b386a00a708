"""LLM traffic, read where all SDKs meet: at the HTTP client.

One file a client (``httpx.py`` serves httpx and httpx2) finds requests and hands an
:class:`~.attempt.Attempt` what passes by; one file a wire format (:mod:`.formats` lists them) says what the
bytes mean.
"""
