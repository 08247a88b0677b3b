"""The client of an article on idempotency for AI APIs: one key, up to three retries, waits of 2^attempt seconds.

usage: python-client.py BASE_URL
Calls twice with one key and asserts that the second call returns the same id.
"""

import json
import os
import sys
import time
import uuid

import requests


class IdempotentLLMClient:
    """Keeps its key through every retry, so that a server that honours keys runs the model once."""

    def __init__(self, base_url, api_key, headers=None, wait_unit_s=1.0):
        self.base_url = base_url
        self.headers = {"Authorization": f"Bearer {api_key}", **(headers or {})}
        self.wait_unit_s = wait_unit_s
        self.attempts = 0

    def generate_idempotency_key(self):
        return str(uuid.uuid4())

    def call_with_idempotency(self, prompt, idempotency_key=None, max_retries=3):
        key = idempotency_key or self.generate_idempotency_key()
        for attempt in range(max_retries + 1):
            try:
                self.attempts += 1
                response = requests.post(
                    f"{self.base_url}/v1/chat/completions",
                    headers={**self.headers, "Idempotency-Key": key},
                    json={"model": "sandbox-model", "messages": [{"role": "user", "content": prompt}]},
                    timeout=30,
                )
                response.raise_for_status()
                return response.json()
            except requests.exceptions.RequestException:
                if attempt == max_retries:
                    raise
                time.sleep(self.wait_unit_s * 2**attempt)


def main():
    client = IdempotentLLMClient(
        sys.argv[1],
        api_key="sk-test",
        headers=json.loads(os.environ.get("CLIENT_HEADERS", "{}")),
        wait_unit_s=float(os.environ.get("CLIENT_WAIT_UNIT_S", "1")),
    )
    key = client.generate_idempotency_key()
    first = client.call_with_idempotency("hello", key)
    attempts = client.attempts
    second = client.call_with_idempotency("hello", key)
    print(json.dumps({"key": key, "attempts": attempts, "first": first["id"], "second": second["id"]}))
    assert first["id"] == second["id"], "the second call with the key is another completion"


if __name__ == "__main__":
    main()
