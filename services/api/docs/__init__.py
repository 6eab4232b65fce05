"""`/docs`: the OpenAPI document as one page for people, from our own files only, without a script."""
