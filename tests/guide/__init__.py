"""The receivers printed in the public webhook guide, function bodies verbatim, with as little around them as runs."""
