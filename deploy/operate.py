"""
Calls auth as the operator, from inside one of its containers:

    … exec -T auth python - keys/rotate < deploy/operate.py
    … exec -T auth python - revocations '{"user_id": "mallory"}' < deploy/operate.py

Prints the answer's body, if it has one; exits with 1 and the problem on stderr if auth refuses.
"""

import json
import os
import sys
from base64 import b64encode
from http.client import HTTPConnection

ADDRESS = ("127.0.0.1", 8000)
TIMEOUT_SECONDS = 10


def post(path: str, body: str, headers: dict[str, str]) -> str:
    """What auth answers. Raises `SystemExit` with what it says instead."""
    connection = HTTPConnection(*ADDRESS, timeout=TIMEOUT_SECONDS)
    connection.request("POST", f"/internal/{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status >= 400:
        raise SystemExit(text)
    return text


def token() -> str:
    """The operator's token, for the secret that auth itself knows."""
    clients = json.loads(os.environ["SERVICE_CLIENTS"])  # noqa: TID251 - that of auth's container
    login = b64encode(f"operator:{clients['operator']}".encode()).decode()
    answer = post("token", "grant_type=client_credentials", {"Authorization": f"Basic {login}"})
    return str(json.loads(answer)["access_token"])


if __name__ == "__main__":
    path, body = (*sys.argv[1:], "")[:2]
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    sys.stdout.write(post(path, body, headers))
