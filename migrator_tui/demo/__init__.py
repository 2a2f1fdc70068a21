"""The sample application that the demo migrates."""

FOLDER = "migrator-demo"
"""Where it is made unless somebody says otherwise, within the current folder."""
