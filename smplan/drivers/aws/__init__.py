"""The kinds of AWS, one package per service, and the client that they share.

Belongs here: what holds for every AWS service: connections, retries, rate limits, errors, tags. What one kind needs
belongs to its module.
"""
