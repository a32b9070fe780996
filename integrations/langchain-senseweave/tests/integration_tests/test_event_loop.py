"""Queries that are embedded at once leave the event loop free, and agree with those that are embedded one by one."""

from __future__ import annotations

import runpy
from pathlib import Path

from langchain_senseweave import SenseweaveEmbeddings

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "event_loop_gap.py"


async def test_64_concurrent_queries_agree_with_sync_and_let_other_tasks_run():
    measure = runpy.run_path(str(SCRIPT), run_name="event_loop_gap")["measure"]
    embeddings = SenseweaveEmbeddings(model="starter", cache_size=0)
    embeddings.embed_query("load the model first")
    outcome = await measure(embeddings, [f"question number {n}" for n in range(64)])
    assert outcome.difference < 1e-5
    assert outcome.turns > 5
