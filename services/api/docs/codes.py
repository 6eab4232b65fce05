"""The codes of refusals, for the page: what a program may tell apart."""

CODES = (
    ("INVALID_REQUEST", "400, 404, 405, 409, 415", "what was sent cannot be used, is not there, or cannot be done now"),
    ("UNAUTHORIZED", "401", "there is no API key"),
    ("INVALID_API_KEY", "401", "the key is unknown or was revoked"),
    ("EXPIRED_API_KEY", "401", "the key's `expires_at` has passed"),
    ("INSUFFICIENT_SCOPES", "403", "the key lacks the scope of the operation"),
    ("FORBIDDEN", "403", "this is for the operator's key only"),
    ("TENANT_MISMATCH", "403", "`tenant_id` is not the tenant of the key"),
    ("WEBHOOK_NOT_FOUND", "404", "there is no such webhook, or it is another tenant's"),
    ("VERSION_CONFLICT", "409", "the webhook is no longer the version in `If-Match`: read it again"),
    ("DUPLICATE_ENTRY", "409", "what may be there once is there already"),
    ("PAYLOAD_TOO_LARGE", "413", "`details.limit` says how many bytes are allowed"),
    ("RATE_LIMIT_EXCEEDED", "429", "too many requests: wait for `Retry-After`"),
    ("INTERNAL_ERROR", "500", "a fault of ours; `details.request_id` names it"),
    ("SERVICE_UNAVAILABLE", "503", "a dependency is away: nothing was done, try again after `Retry-After`"),
)
"""Code, statuses, meaning."""
