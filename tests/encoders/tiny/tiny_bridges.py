"""stub"""

BRIDGE_FAMILIES = []
