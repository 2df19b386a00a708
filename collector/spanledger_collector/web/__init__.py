"""The HTTP face on the API port: answers as JSON, the page, health and metrics; and a client of that API."""
