"""Sends a client with a fixed address to another server.

With this folder on PYTHONPATH and TANDEM_API set to a base URL, every request that `requests`
would send to HubSpot goes there instead; nothing else about it changes.
"""
import os

FIXED = "https://api.hubapi.com"
target = os.environ.get("TANDEM_API", "").rstrip("/")

# Every Python that is started with this folder on its path gets here, also those without `requests`.
if target:
    try:
        import requests
    except ImportError:
        pass
    else:
        send = requests.Session.send

        def send_to_target(session, request, **options):
            if request.url.startswith(FIXED):
                request.url = target + request.url[len(FIXED):]
                options["proxies"] = {}  # those chosen before were for the fixed address
            return send(session, request, **options)

        requests.Session.send = send_to_target
