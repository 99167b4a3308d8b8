"""The kinds of AWS, a package per service, and the client that all of them share.

Belongs here: what holds for every AWS service: connections, retries, rate limits, errors, tags. What one kind needs
belongs to its module.
"""
