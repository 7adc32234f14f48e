"""MiniStack as it is, and at `/_peers/calls` how many calls of DynamoDB it got, by operation."""
import collections
import json

import ministack.app as ministack

calls, serve = collections.Counter(), ministack.app


async def counted(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/_peers/calls":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            return await send({"type": "http.response.body", "body": json.dumps(calls).encode()})
        service, _, operation = dict(scope["headers"]).get(b"x-amz-target", b"").decode().partition(".")
        if service.startswith("DynamoDB_"):
            calls[f"dynamodb.{operation}"] += 1
    await serve(scope, receive, send)


ministack.app = counted
ministack.main()
