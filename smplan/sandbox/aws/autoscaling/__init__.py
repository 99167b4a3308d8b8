"""Auto Scaling, all of it: moto's own differs from AWS nearly everywhere. One module per subject."""
