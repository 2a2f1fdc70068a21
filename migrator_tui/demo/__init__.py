"""The sample application that the demo migrates."""
