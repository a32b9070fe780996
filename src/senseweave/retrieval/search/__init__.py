"""What happens to a query and its hits: planning, paging, grouping, diversity, reranking."""
