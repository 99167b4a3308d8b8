"""One file a kind of AWS resource, beside what they share. The only drivers that may use boto3."""
