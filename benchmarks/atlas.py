"""How fast a large atlas answers, beside faiss in the same run.

    python benchmarks/atlas.py                        all rows, into docs/reference/scale.md
    python benchmarks/atlas.py --only search update   some of them
    python benchmarks/atlas.py --vectors 100000       a small rehearsal

Rows: `search` (one question at a time, with and without a filter), `predictions` (10,000
questions against 200,000 vectors), `update` (the same after a record edit), `growth` (0.1, 0.3 and
1 million).
Vectors have the spread of real embeddings (see atlas_vectors.py). Every answer is compared with
exact search. What is compared takes turns within one run, and ratios are of medians over the turns:
of seconds on the clock or, with `--processor`, of seconds that the processor worked. Those hold on
a machine that others load too, with one thread (`OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive`).
Searching runs in processes of their own, so that their memory can be told.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from atlas_vectors import queries, texts, write_gallery

from napari_haiku.atlas.index import EXACT_ROWS, VectorIndex
from napari_haiku.atlas.index_build import Vectors, make_index
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.ranking import best_rows
from napari_haiku.atlas.reranking import Reranking
from napari_haiku.jobs import run_job

DIM, K = 1024, 50
HERE = Path(__file__).resolve()
DOCS = HERE.parents[1] / "docs" / "reference" / "scale.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def build(folder: Path, n: int) -> dict[str, object]:
    """Write the vectors and build our index."""
    from napari_haiku.atlas.index import index_file

    gallery_file = folder / f"gallery_{n}.npy"
    write_gallery(gallery_file, n)
    place = folder / f"index_{n}"
    plan_file = place / "plan.json"
    if not plan_file.is_file():
        place.mkdir(exist_ok=True)
        gallery = np.load(gallery_file, mmap_mode="r")
        asked = compose_query(
            {"he": queries(256, seed=11), "text": texts(1)[:1]}, {"he": 0.8, "text": 0.2}
        )
        plan = run_job(make_index(place, "mif", Vectors(gallery, np.arange(n), asked, "")))
        plan_file.write_text(json.dumps(plan.to_json()))
    plan = json.loads(plan_file.read_text())
    return {**plan, "index_bytes": (place / index_file("mif")).stat().st_size}


def ask(folder: Path, n: int, asked: int, share: float, ours: bool, lists: int = 0) -> dict:
    """One question at a time in this process; times, answers and memory."""
    import torch  # noqa: F401 - as in the window, where a model is loaded

    from napari_haiku.atlas.index import IndexPlan

    watch = Watch()
    gallery = np.load(folder / f"gallery_{n}.npy", mmap_mode="r")
    kept = np.ones(n, bool)
    if share < 1:
        kept = np.random.default_rng(5).random(n) < share
    if ours:
        content = json.loads((folder / f"index_{n}" / "plan.json").read_text())
        index = VectorIndex.open(folder / f"index_{n}", "mif", IndexPlan.from_json(content))
        assert index is not None

        def answer(query):
            return index.search(query, gallery, kept, K)[0]
    else:
        import faiss

        file = folder / f"faiss_{n}.index"
        codes = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        codes.parallel_mode = 1
        faiss.downcast_InvertedLists(codes.invlists).prefetch_nthread = 0
        parameters = faiss.SearchParametersIVF(nprobe=lists)

        def answer(query):
            return codes.search(query, K, params=parameters)[1]

    opened = watch.seconds()
    questions = _questions(asked)
    for question in questions[:10]:
        answer(question[None])
    seconds, found = [], []
    for question in questions:
        watch = Watch()
        found.append(answer(question[None])[0])
        seconds.append(watch.seconds())
    return {
        "open_s": opened,
        "p50_ms": 1e3 * statistics.median(seconds),
        "p95_ms": 1e3 * float(np.quantile(seconds, 0.95)),
        "peak_gb": peak_gb(),
        "found": np.asarray(found).tolist(),
    }


class Watch:
    """Seconds since it was made: on the clock, or of the processor."""

    processor = False

    def __init__(self) -> None:
        self._begin = self._now()

    def seconds(self) -> float:
        return self._now() - self._begin

    @classmethod
    def _now(cls) -> float:
        return time.process_time() if cls.processor else time.perf_counter()


def peak_gb() -> float:
    """Most memory that this process ever held, pages of mapped files included."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def apart(folder: Path, **asked: object) -> dict:
    """Run `ask` in a process of its own."""
    done = subprocess.run(
        [
            *(sys.executable, HERE, "--folder", folder, "--ask", json.dumps(asked)),
            *(["--processor"] if Watch.processor else []),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def turns(folder: Path, rounds: int, *each: dict[str, object]) -> list[dict]:
    """Let several ask in turn; figures are medians over the turns."""
    answers: list[list[dict]] = [[] for _ in each]
    for _ in range(rounds):
        for asked, mine in zip(each, answers, strict=True):
            mine.append(apart(folder, **asked))
    return [
        mine[0]
        | {
            figure: statistics.median(answer[figure] for answer in mine)
            for figure in ("open_s", "p50_ms", "p95_ms")
        }
        | {"peak_gb": max(answer["peak_gb"] for answer in mine)}
        for mine in answers
    ]


def search_row(folder: Path, n: int, asked: int, rounds: int) -> list[str]:
    gallery = np.load(folder / f"gallery_{n}.npy", mmap_mode="r")
    plan = build(folder, n)
    questions = _questions(asked)
    truth = best_rows(questions, gallery, np.arange(n), K)[0]
    kept = np.flatnonzero(np.random.default_rng(5).random(n) < 0.01)
    truth_kept = best_rows(questions, gallery, kept, K)[0]
    lists = faiss_index(folder, n, questions, truth, 0.98)
    ask_us: dict[str, object] = {"n": n, "asked": asked, "ours": True}
    ours, theirs, filtered = turns(
        folder,
        rounds,
        ask_us | {"share": 1.0},
        {"n": n, "asked": asked, "share": 1.0, "ours": False, "lists": lists},
        ask_us | {"share": 0.01},
    )
    wanted = recall(ours["found"], truth)
    print(json.dumps({"plan": {k: v for k, v in plan.items() if k != "file"}}), file=sys.stderr)
    how = "exactly" if len(kept) <= EXACT_ROWS else "every list read"
    peer = recall(theirs["found"], truth)
    plain = (
        f"| one question against {n:,} x {DIM} | recall@50 {wanted:.3f}, {told(ours)}, open "
        f"{ours['open_s']:.2f} s | faiss IVF,SQ8 ({lists} lists read): recall@50 {peer:.3f}, "
        f"{told(theirs)} | {theirs['p95_ms'] / ours['p95_ms']:.1f} times faster |"
    )
    kept_recall = recall(filtered["found"], truth_kept)
    with_filter = (
        f"| the same, filter keeping 1 % ({len(kept):,} rows, {how}) | recall@50 "
        f"{kept_recall:.3f}, {told(filtered)} | unfiltered: p95 {ours['p95_ms']:.1f} ms | "
        f"{ours['p95_ms'] / filtered['p95_ms']:.1f} times faster |"
    )
    return [plain, with_filter]


def told(answers: dict) -> str:
    return (
        f"p95 {answers['p95_ms']:.1f} ms, median {answers['p50_ms']:.1f} ms, "
        f"{answers['peak_gb']:.2f} GB"
    )


def faiss_index(folder: Path, n: int, questions, truth, aim: float) -> int:
    """Build faiss's own index once, and find the fewest lists that reach a recall."""
    import faiss

    file = folder / f"faiss_{n}.index"
    if not file.is_file():
        gallery = np.load(folder / f"gallery_{n}.npy", mmap_mode="r")
        lists = max(16, 2 ** round(np.log2(2 * np.sqrt(n))))
        index = faiss.index_factory(DIM, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.cp.niter = 8
        some = np.sort(np.random.default_rng(0).choice(n, min(n, 40 * lists), replace=False))
        index.train(np.asarray(gallery[some], np.float32))
        for start in range(0, n, 50_000):
            index.add(np.asarray(gallery[start : start + 50_000], np.float32))
        faiss.write_index(index, str(file))
    index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    some, best = questions[:64], truth[:64]
    lists = 1
    while lists < index.nlist:
        parameters = faiss.SearchParametersIVF(nprobe=lists)
        if recall(index.search(some, K, params=parameters)[1], best) >= aim:
            break
        lists = max(lists + 1, int(lists * 1.2))
    return min(lists, index.nlist)


def prediction_rows(
    folder: Path, n: int, asked: int, times: tuple[int, int], rows: list[str], only: set[str]
) -> None:
    rounds, edits = times
    write_gallery(folder / f"gallery_{n}.npy", n)
    gallery = np.load(folder / f"gallery_{n}.npy", mmap_mode="r")
    he, words = queries(asked, seed=12), texts(1 + edits)
    weights = {"he": 0.8, "text": 0.2}
    before = compose_query({"he": he, "text": words[0]}, weights)
    everyone = np.arange(n)
    expression = np.random.default_rng(1).random((n, 30)).astype(np.float32)
    best_rows(before[:8], gallery, everyone, K)
    if "predictions" in only:
        import faiss

        flat = faiss.IndexFlatIP(DIM)
        flat.add(np.asarray(gallery, np.float32))
        ours, theirs, alike = [], [], []
        for start in range(0, asked, -(-asked // rounds)):
            part = before[start : start + -(-asked // rounds)]
            watch = Watch()
            found, scores = best_rows(part, gallery, everyone, K)
            for first in range(0, len(part), 512):
                some = slice(first, first + 512)
                np.einsum("qk,qkm->qm", scores[some], expression[found[some]])
            ours.append(watch.seconds())
            watch = Watch()
            theirs_found = flat.search(part, K)[1]
            theirs.append(watch.seconds())
            alike.append((theirs_found == found).mean())
        del flat
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        rows.append(
            f"| predictions for {asked:,} patches against {n:,} x {DIM} | {sum(ours):.1f} s, exact "
            f"| faiss flat, the searches alone: {sum(theirs):.1f} s ({np.mean(alike):.4f} of "
            f"places alike) | {ratio:.1f} times faster |"
        )
    if "update" in only:
        watch = Watch()
        first = Reranking.of(before, gallery, everyone)
        passed = watch.seconds()
        new, update, anew, settled = [], [], 0, 0
        for text in words[1:]:
            after = compose_query({"he": he, "text": text}, weights)
            watch = Watch()
            expected = best_rows(after, gallery, everyone, K)
            new.append(watch.seconds())
            watch = Watch()
            found = first.search(after, K)
            update.append(watch.seconds())
            assert np.array_equal(found.indices, expected[0])
            assert np.array_equal(found.similarity, expected[1])
            anew, settled = anew + found.searched_anew, settled + found.settled
        ratio = statistics.median(b / a for a, b in zip(update, new, strict=True))
        rows.append(
            f"| counterfactual update, {asked:,} patches against {n:,} x {DIM} | "
            f"{statistics.median(update):.2f} s (the first {update[0]:.2f} s), identical to a new "
            f"pass, ties included (first pass {passed:.1f} s; {settled / edits / asked:.0%} "
            f"settled by their lists, {anew // edits} searched anew) | a new pass: "
            f"{statistics.median(new):.1f} s | {ratio:.1f} times faster |"
        )


def growth_rows(folder: Path, most: int) -> list[str]:
    rows = []
    for n in (most // 10, 3 * most // 10, most):
        plan = build(folder, n)
        one = apart(folder, n=n, asked=100, share=1.0, ours=True)
        rows.append(
            f"| {n:,} | {2 * DIM * n / 1e9:.2f} GB | {plan['index_bytes'] / 1e9:.2f} GB | "
            f"{plan['seconds']:.0f} s | {plan['directions']} directions, {plan['lists']} lists, "
            f"{plan['probes'][0]} read, {plan['candidates']} candidates | "
            f"{plan['recall_at_50']:.3f} | {one['p95_ms']:.1f} ms | {one['peak_gb']:.2f} GB |"
        )
    return rows


def recall(found, truth) -> float:
    return float(
        np.mean([np.isin(mine, best).mean() for mine, best in zip(found, truth, strict=True)])
    )


def _questions(asked: int) -> np.ndarray:
    return compose_query(
        {"he": queries(asked, seed=21), "text": texts(1)[:1]}, {"he": 0.8, "text": 0.2}
    )


def write_docs(tables: str) -> None:
    page = DOCS.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    DOCS.write_text(head + BEGIN + "\n" + tables + END + rest.split(END)[1], encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("benchmark_atlas"))
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--patches", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--edits", type=int, default=3)
    parser.add_argument("--processor", action="store_true", help="time of the processor alone")
    parser.add_argument("--only", nargs="*", default=["predictions", "update", "search", "growth"])
    parser.add_argument("--docs", action="store_true", help="write the tables into the docs")
    parser.add_argument("--ask", default="")
    options = parser.parse_args()
    Watch.processor = options.processor
    if options.ask:
        print(json.dumps(ask(options.folder, **json.loads(options.ask))))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    only, rows, growth = set(options.only), [], []
    if only & {"predictions", "update"}:
        each = options.rounds, options.edits
        prediction_rows(options.folder, options.gallery, options.patches, each, rows, only)
        print(*rows, sep="\n", flush=True)
    if "search" in only:
        write_gallery(options.folder / f"gallery_{options.vectors}.npy", options.vectors)
        rows += search_row(options.folder, options.vectors, options.questions, options.rounds)
        print(*rows[-2:], sep="\n", flush=True)
    if "growth" in only:
        growth = growth_rows(options.folder, options.vectors)
        print(*growth, sep="\n", flush=True)
    how = "Seconds on the clock" if not options.processor else "Seconds of the processor"
    threads = os.environ.get("OMP_NUM_THREADS", "as many as the machine has")
    told_how = f"{how}, threads: {threads}; medians over {options.rounds} turns."
    tables = "\n".join([told_how, "", "| what | here | peer | |", "|---|---|---|---|", *rows, ""])
    if growth:
        head = "| patches | vectors | index | built in | measured | recall@50 | p95 | memory |"
        tables += "\n".join(["", head, "|---|---|---|---|---|---|---|---|", *growth, ""])
    if options.docs:
        write_docs(tables)


if __name__ == "__main__":
    main()
