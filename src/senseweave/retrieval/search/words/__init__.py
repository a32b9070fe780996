"""Search by words beside vectors: names, part numbers, error codes and quotations are found as they are written."""
