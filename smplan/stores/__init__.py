"""Where state and journal live. A store keeps bytes safe; what they mean is core's business."""
