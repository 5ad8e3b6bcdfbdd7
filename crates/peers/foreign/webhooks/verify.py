"""Verifies what stands on standard input, a JSON object of secret, headers and body, with PyPI's
standardwebhooks and svix. Ends with 1 where a signature is not accepted."""

import json
import os
import sys
import types

site = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")
sys.path.insert(0, site)
# The package itself loads a client for an API; the verifier stands alone beside it.
svix = types.ModuleType("svix")
svix.__path__ = [os.path.join(site, "svix")]
sys.modules["svix"] = svix

import standardwebhooks
import svix.webhooks

letter = json.load(sys.stdin)
secret, headers, body = letter["secret"], letter["headers"], letter["body"]
try:
    standardwebhooks.Webhook(secret).verify(body, headers, json_parse=False)
    svix.webhooks.Webhook(secret).verify(body, headers)
except Exception as why:
    sys.exit(f"{type(why).__module__}: {why}")
