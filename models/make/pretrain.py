"""
Pretrains the tiny model on dialogues whose system prompt defines the task. One flat script: what it
reads comes from print-dialogues.ts, what it leaves is a folder with checkpoint, log and tokenizer.
Users never run it. Knows nothing of loras or of the product.

    python models/make/pretrain.py --out run --minutes 120
"""
import argparse
import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

from lookup_init import initialize_lookup
from model import Llama, Shape
from muon import Muon
from tokenizer import ASSISTANT, END, SYSTEM, USER, train_tokenizer, word_of

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--from", dest="start", type=Path, help="exported model to go on from")
parser.add_argument("--minutes", type=float, default=120)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--hidden", type=int, default=256)
parser.add_argument("--layers", type=int, default=6)
parser.add_argument("--intermediate", type=int, default=384)
parser.add_argument("--init", choices=["lookup", "noise"], default="lookup")
parser.add_argument("--batch-tokens", type=int, default=8192)
parser.add_argument("--matrix-rate", type=float, default=0.005, help="Muon's, for the matrices")
parser.add_argument("--rate", type=float, default=0.001, help="AdamW's, for embedding and norms")
parser.add_argument("--warmup-steps", type=int, default=40)
parser.add_argument("--decay-from", type=float, default=0.7, help="share of the time before decay")
parser.add_argument("--repeats", type=float, default=0.1, help="share of rows of repeated tokens")
parser.add_argument("--solved", type=float, default=0.85, help="exam that opens the next difficulty")
parser.add_argument("--small-talk", type=float, default=0.06, help="share of rows")
parser.add_argument("--exam-steps", type=int, default=40)
args = parser.parse_args()

REPOSITORY = Path(__file__).resolve().parents[2]
DIFFICULTIES = range(5)
# behind one prompt: more where it is longer
QUESTIONS = {"small-talk": 8, 0: 10, 1: 12, 2: 16, 3: 20, 4: 24}
EXAM_SEED, EXAM_DIALOGUES = 999_999, 16
LEAST_RATE = 0.05
# rows in one group are at least so long, as a share of the longest
LEAST_FILL = 0.75
# processors without it compute a third as fast in bfloat16
BFLOAT16 = torch.cpu._is_avx512_bf16_supported()

torch.manual_seed(args.seed)
torch.set_num_threads(args.threads)
args.out.mkdir(parents=True, exist_ok=True)
draw = random.Random(args.seed)


# --- data -----------------------------------------------------------------------------------------


def dialogues(seed: int, kind: int | str):
    command = ["npx", "tsx", "models/make/print-dialogues.ts"]
    options = ["--seed", str(seed), "--kind", str(kind), "--questions", str(QUESTIONS[kind])]
    printer = subprocess.Popen(command + options, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    for line in printer.stdout:
        yield json.loads(line)


tokenizer_path = args.out / "tokenizer.json"
if args.start:
    shutil.copy(args.start / "tokenizer.json", tokenizer_path)
if not tokenizer_path.exists():
    train_tokenizer(
        (dialogue for kind in list(QUESTIONS)[::-1] for _, dialogue in zip(range(4000), dialogues(args.seed + 1, kind)))
    ).save(str(tokenizer_path))
tokenizer = Tokenizer.from_file(str(tokenizer_path))
encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
system, user, assistant, end = (tokenizer.token_to_id(name) for name in (SYSTEM, USER, ASSISTANT, END))


def render(dialogue):
    """Token ids, which of them are learned, and where each answer stands: (start, length)."""
    ids = [system, *encode(dialogue["system"]), end] if dialogue["system"] else []
    learned = [False] * len(ids)
    answers = []
    for question in dialogue["questions"]:
        asked = [user, *encode(question["query"]), end, assistant]
        said = [*encode(question["answer"]), end]
        answers.append((len(ids) + len(asked), len(said)))
        ids += asked + said
        learned += [False] * len(asked) + [True] * len(said)
    return ids, learned, answers


def repeated_tokens():
    """Random tokens over and over: keeps heads that copy what followed before."""
    period = draw.randint(8, 96)
    stretch = [draw.randrange(5, tokenizer.get_vocab_size()) for _ in range(period)]
    ids = (stretch * (384 // period + 1))[:384]
    return ids, [False] * period + [True] * (len(ids) - period)


streams = {kind: dialogues(args.seed, kind) for kind in QUESTIONS}


def next_row(open_levels: int):
    kind = draw.random()
    if kind < args.repeats:
        return repeated_tokens()
    if kind < args.repeats + args.small_talk:
        return render(next(streams["small-talk"]))[:2]
    newest = draw.random() < 0.5
    level = open_levels - 1 if newest else draw.randrange(open_levels)
    return render(next(streams[level]))[:2]


def next_batch(open_levels: int):
    """Rows of args.batch_tokens in all, in groups of like length: each ids [rows, tokens] and which are learned."""
    rows = []
    while sum(len(ids) for ids, _ in rows) < args.batch_tokens:
        rows.append(next_row(open_levels))
    rows.sort(key=lambda row: len(row[0]))
    groups = []
    while rows:
        longest = len(rows[-1][0])
        alike = [row for row in rows if len(row[0]) >= LEAST_FILL * longest]
        del rows[len(rows) - len(alike) :]
        ids = torch.zeros(len(alike), longest, dtype=torch.long)
        learned = torch.zeros(len(alike), longest, dtype=torch.bool)
        for i, (row, mask) in enumerate(alike):
            ids[i, : len(row)] = torch.tensor(row)
            learned[i, : len(mask)] = torch.tensor(mask)
        groups.append((ids, learned))
    return groups


# --- model ----------------------------------------------------------------------------------------

shape = Shape(
    vocab=tokenizer.get_vocab_size(),
    hidden=args.hidden,
    layers=args.layers,
    intermediate=args.intermediate,
)
model = Llama(shape)
if args.start:
    kept = load_file(args.start / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): weight.float() for name, weight in kept.items()})
elif args.init == "lookup":
    words = [word_of(tokenizer.id_to_token(i)) for i in range(shape.vocab)]
    initialize_lookup(model, words, args.seed)
matrices = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and "embed" not in name]
others = [weight for name, weight in model.named_parameters() if weight.dim() != 2 or "embed" in name]
optimizers = [
    (Muon(matrices, lr=args.matrix_rate), args.matrix_rate),
    (torch.optim.AdamW(others, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.0), args.rate),
]
print(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.2f}M parameters")


# --- exam -----------------------------------------------------------------------------------------

exams = {}


@torch.no_grad()
def exam(level: int) -> float:
    """Share of answers that are right from the first to the end token, on an unseen seed."""
    if level not in exams:
        exams[level] = [render(d) for _, d in zip(range(EXAM_DIALOGUES), dialogues(EXAM_SEED, level))]
    right = asked = 0
    for ids, _, answers in exams[level]:
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            said = model(torch.tensor([ids]))[0].argmax(-1).tolist()
        for start, length in answers:
            right += all(said[start - 1 + i] == ids[start + i] for i in range(length))
            asked += 1
    return right / asked


# --- training -------------------------------------------------------------------------------------

checkpoint_path, log_path = args.out / "checkpoint.pt", args.out / "log.jsonl"
# an exported model has been through all difficulties
state = {"step": 0, "tokens": 0, "seconds": 0.0, "open_levels": len(DIFFICULTIES) if args.start else 1}
if checkpoint_path.exists():
    saved = torch.load(checkpoint_path)
    state = saved["state"]
    model.load_state_dict(saved["model"])
    for (optimizer, _), kept in zip(optimizers, saved["optimizers"]):
        optimizer.load_state_dict(kept)
    # other dialogues than before
    streams = {kind: dialogues(args.seed + 1000 * state["step"], kind) for kind in QUESTIONS}


def save() -> None:
    kept = [optimizer.state_dict() for optimizer, _ in optimizers]
    temporary = checkpoint_path.with_suffix(".tmp")
    torch.save({"state": state, "model": model.state_dict(), "optimizers": kept}, temporary)
    temporary.replace(checkpoint_path)


begun = time.time() - state["seconds"]
while state["seconds"] < args.minutes * 60:
    done = state["seconds"] / (args.minutes * 60)
    decay = 1 if done < args.decay_from else max(LEAST_RATE, (1 - done) / (1 - args.decay_from))
    for optimizer, rate in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * decay * min(1, (state["step"] + 1) / args.warmup_steps)

    batch = next_batch(state["open_levels"])
    answered = sum(learned.sum().item() for _, learned in batch)
    model.zero_grad(set_to_none=True)
    loss = 0.0
    for ids, learned in batch:
        before = torch.zeros_like(learned)
        before[:, :-1] = learned[:, 1:]
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            logits = model(ids, before)
        part = F.cross_entropy(logits.float(), ids[learned], reduction="sum") / answered
        part.backward()
        loss += part.item()
        state["tokens"] += ids.numel()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, _ in optimizers:
        optimizer.step()

    state["step"] += 1
    if state["step"] % args.exam_steps == 0:
        results = [exam(level) for level in range(state["open_levels"])]
        state["seconds"] = time.time() - begun
        line = {**state, "seconds": round(state["seconds"]), "loss": round(loss, 4), "exam": [round(r, 3) for r in results]}
        print(json.dumps(line), flush=True)
        with log_path.open("a") as log:
            log.write(json.dumps(line) + "\n")
        if results[-1] >= args.solved:
            state["open_levels"] = min(len(DIFFICULTIES), state["open_levels"] + 1)
        save()
save()
