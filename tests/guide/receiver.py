"""The guide's Python receiver: everything between the two marks is the guide's text as printed."""

import os

from flask import Flask, request
from werkzeug.serving import make_server

app = Flask(__name__)

# fmt: off
# ruff: noqa: I001, E402, W293, F841
# --- the guide, verbatim ---
import hmac
import hashlib
import json

def verify_webhook_signature(signature, body, secret):
    expected_signature = hmac.new(
        secret.encode('utf-8'),
        body.encode('utf-8'),
        hashlib.sha256
    ).hexdigest()
    
    return hmac.compare_digest(signature, expected_signature)

@app.route('/webhooks/scorm', methods=['POST'])
def webhook_handler():
    signature = request.headers.get('X-Allure-Signature')
    body = request.get_data(as_text=True)
    secret = os.getenv('WEBHOOK_SECRET')
    
    if not verify_webhook_signature(signature, body, secret):
        return 'Invalid signature', 401
    
    event = json.loads(body)
    # Process event
    return 'OK', 200
# --- end of the guide ---
# fmt: on


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
