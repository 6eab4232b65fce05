"""The same as the API, for people: pages made on the server that work without JavaScript."""
