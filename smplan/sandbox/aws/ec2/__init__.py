"""EC2: images, instances, launch templates, security groups. One module per subject; other services stay out."""
