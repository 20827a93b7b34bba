"""What the peers' own Pythons run in `benchmarks/graphs.py`: a program each, which prints its figures as JSON.

Arguments of every program: the folder of plain lists, a folder to write into, dimension, epochs, seed; PyKEEN's then
has the negatives of an edge and the largest number of edges to learn from, PyTorch Geometric's none.
Dimension is counted in real numbers: a complex one is two.
"""

PBG = """
import json, os, resource, sys, time
import attr, torch
from torchbiggraph.config import ConfigSchema
from torchbiggraph.converters.importers import TSVEdgelistReader, convert_input_data
from torchbiggraph.eval import do_eval_and_report_stats
from torchbiggraph.filtered_eval import FilteredRankingEvaluator
from torchbiggraph.train import train
from torchbiggraph.util import SubprocessInitializer, setup_logging
from pathlib import Path
data, out, dimension, epochs, seed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])

def spent():
    mine, theirs = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in (mine, theirs))

def main():
    torch.manual_seed(seed)
    paths = [f"{out}/{name}" for name in ("train", "valid", "test")]
    relation = {"name": "all_edges", "lhs": "all", "rhs": "all", "operator": "complex_diagonal"}
    config = ConfigSchema.from_dict(dict(
        entity_path=f"{out}/entities", edge_paths=paths, checkpoint_path=f"{out}/model",
        entities={"all": {"num_partitions": 1}}, relations=[relation], dynamic_relations=True, dimension=dimension,
        global_emb=False, comparator="dot", num_epochs=epochs, num_uniform_negs=1000, num_batch_negs=50,
        loss_fn="softmax", lr=0.1, regularization_coef=1e-3, eval_fraction=0, workers=2, verbose=0))
    texts = [data / f"{name}.tsv" for name in ("train", "valid", "test")]
    convert_input_data(config.entities, config.relations, config.entity_path, config.edge_paths, texts,
                       TSVEdgelistReader(lhs_col=0, rhs_col=2, rel_col=1), dynamic_relations=True)
    start = SubprocessInitializer()
    cpu, wall = spent(), time.perf_counter()
    train(attr.evolve(config, edge_paths=paths[:1]), subprocess_init=start)
    cpu, wall = spent() - cpu, time.perf_counter() - wall
    mine, theirs = (resource.getrusage(w).ru_maxrss / 1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    before = spent()
    relations = [attr.evolve(r, all_negs=True) for r in config.relations]
    last = attr.evolve(config, edge_paths=paths[2:], relations=relations, num_uniform_negs=0)
    found = list(do_eval_and_report_stats(
        last, evaluator=FilteredRankingEvaluator(last, paths[::-1]), subprocess_init=start))
    stats = found[-1][-1]  # of all edges, after those of each bucket
    print(json.dumps({"cpu": cpu, "wall": wall, "peak_mb": mine + 2 * theirs, "mrr": float(stats.metrics["mrr"]),
                      "evaluation_cpu": spent() - before}))

if __name__ == "__main__":
    main()
"""

PYKEEN = """
import json, resource, sys, time
from pathlib import Path
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import ComplEx
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import CoreTriplesFactory
data, (dimension, epochs, seed, negatives, most) = Path(sys.argv[1]), map(int, sys.argv[3:8])
torch.set_num_threads(1)
lists = {n: [line.split("\\t") for line in (data / f"{n}.tsv").open()] for n in ("train", "valid", "test")}
rows = [[word.strip() for word in row] for mine in lists.values() for row in mine]
entities, relations = ({w: i for i, w in enumerate(dict.fromkeys(words))} for words in (
    (word for h, _, t in rows for word in (h, t)), (r for _, r, _ in rows)))
numbers = torch.tensor([[entities[h], relations[r], entities[t]] for h, r, t in rows])
train, valid, test = numbers.split([len(mine) for mine in lists.values()])
some = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:most]]
def of(triples):
    return CoreTriplesFactory.create(triples, num_entities=len(entities), num_relations=len(relations))
training = of(some)
model = ComplEx(triples_factory=training, embedding_dim=dimension // 2, random_seed=seed)
loop = SLCWATrainingLoop(model=model, triples_factory=training, optimizer="adagrad", optimizer_kwargs={"lr": 0.1},
                         negative_sampler_kwargs={"num_negs_per_pos": negatives})
cpu, wall = time.process_time(), time.perf_counter()
loop.train(triples_factory=training, num_epochs=epochs, batch_size=8192 if negatives == 1 else 256, use_tqdm=False)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
figures = {"cpu": cpu, "wall": wall, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
           "edges": epochs * len(some)}
# A part of an epoch is for the speed alone; and its ranking takes minutes at dimension 100, so there it is made.
if len(some) == len(train) and dimension <= 100:
    before = time.process_time()
    found = RankBasedEvaluator(filtered=True).evaluate(
        model, test, additional_filter_triples=[train, valid], batch_size=64, use_tqdm=False)
    figures |= {"mrr": found.get_metric("mrr"), "evaluation_cpu": time.process_time() - before}
print(json.dumps(figures))
"""

# Of its optimisers and batches the fastest: Adagrad on dense gradients, 10,000 edges. Its `test` ranks tails alone,
# unfiltered, a test edge at a time, so there is no figure to stand beside the others'.
PYG = """
import json, resource, sys, time
from pathlib import Path
import torch
from torch_geometric.nn.kge import ComplEx
data, (dimension, epochs, seed) = Path(sys.argv[1]), map(int, sys.argv[3:6])
torch.manual_seed(seed)
torch.set_num_threads(1)
rows = [line.rstrip().split("\\t") for line in (data / "train.tsv").open()]
entities, relations = ({w: i for i, w in enumerate(dict.fromkeys(words))} for words in (
    (word for h, _, t in rows for word in (h, t)), (r for _, r, _ in rows)))
edges = torch.tensor([[entities[h], relations[r], entities[t]] for h, r, t in rows]).T
model = ComplEx(len(entities), len(relations), hidden_channels=dimension // 2)
loader = model.loader(*edges, batch_size=10_000, shuffle=True)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
cpu, wall = time.process_time(), time.perf_counter()
for _ in range(epochs):
    for batch in loader:
        optimizer.zero_grad()
        model.loss(*batch).backward()
        optimizer.step()
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps({"cpu": cpu, "wall": wall, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "edges": epochs * edges.shape[1]}))
"""
