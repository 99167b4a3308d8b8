"""One file a kind of AWS resource, beside what they share: session, faults, tags. The only drivers that may use boto3."""
