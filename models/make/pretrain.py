"""
Pretrains the tiny model on dialogues whose system prompt defines the task. One flat script: what it
reads comes from print-dialogues.ts, what it leaves is a folder with checkpoint, log and tokenizer.
Users never run it. Knows nothing of loras or of the product.

    python models/make/pretrain.py --out run --minutes 120
"""
import argparse
import json
import random
import subprocess
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from lookup_init import initialize_lookup
from model import Llama, Shape
from tokenizer import ASSISTANT, END, SYSTEM, USER, train_tokenizer, word_of

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--minutes", type=float, default=120)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--hidden", type=int, default=256)
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--intermediate", type=int, default=640)
parser.add_argument("--init", choices=["lookup", "noise"], default="lookup")
parser.add_argument("--batch-tokens", type=int, default=8192)
parser.add_argument("--matrix-rate", type=float, default=0.005, help="Muon's, for the matrices")
parser.add_argument("--rate", type=float, default=0.001, help="AdamW's, for embedding and norms")
parser.add_argument("--warmup-steps", type=int, default=40)
parser.add_argument("--decay-from", type=float, default=0.7, help="share of the time before decay")
parser.add_argument("--repeats", type=float, default=0.1, help="share of rows of repeated tokens")
parser.add_argument("--solved", type=float, default=0.85, help="exam that opens the next difficulty")
parser.add_argument("--exam-steps", type=int, default=40)
args = parser.parse_args()

REPOSITORY = Path(__file__).resolve().parents[2]
DIFFICULTIES = range(5)
QUESTIONS = 12
EXAM_SEED, EXAM_DIALOGUES = 999_999, 16
LEAST_RATE = 0.05

torch.manual_seed(args.seed)
torch.set_num_threads(args.threads)
args.out.mkdir(parents=True, exist_ok=True)
draw = random.Random(args.seed)


# --- data -----------------------------------------------------------------------------------------


def dialogues(seed: int, difficulty: int):
    command = ["npx", "tsx", "models/make/print-dialogues.ts"]
    options = ["--seed", str(seed), "--difficulty", str(difficulty), "--questions", str(QUESTIONS)]
    printer = subprocess.Popen(command + options, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    for line in printer.stdout:
        yield json.loads(line)


tokenizer_path = args.out / "tokenizer.json"
if not tokenizer_path.exists():
    train_tokenizer(
        (dialogue for level in DIFFICULTIES[1:] for _, dialogue in zip(range(5000), dialogues(args.seed + 1, level)))
    ).save(str(tokenizer_path))
tokenizer = Tokenizer.from_file(str(tokenizer_path))
encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
system, user, assistant, end = (tokenizer.token_to_id(name) for name in (SYSTEM, USER, ASSISTANT, END))


def render(dialogue):
    """Token ids, which of them are learned, and where each answer stands: (start, length)."""
    ids = [system, *encode(dialogue["system"]), end]
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


streams = {level: dialogues(args.seed, level) for level in DIFFICULTIES}


def next_row(open_levels: int):
    if draw.random() < args.repeats:
        return repeated_tokens()
    newest = draw.random() < 0.5
    level = open_levels - 1 if newest else draw.randrange(open_levels)
    return render(next(streams[level]))[:2]


waiting = []


def next_batch(open_levels: int):
    """ids [rows, tokens] and which of them are learned; padded at the end."""
    rows, longest = [], 0
    while True:
        row = waiting.pop() if waiting else next_row(open_levels)
        longest = max(longest, len(row[0]))
        if rows and longest * (len(rows) + 1) > args.batch_tokens:
            waiting.append(row)
            break
        rows.append(row)
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    learned = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, (row, mask) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        learned[i, : len(mask)] = torch.tensor(mask)
    return ids, learned


# --- model ----------------------------------------------------------------------------------------

shape = Shape(
    vocab=tokenizer.get_vocab_size(),
    hidden=args.hidden,
    layers=args.layers,
    intermediate=args.intermediate,
)
model = Llama(shape)
if args.init == "lookup":
    words = [word_of(tokenizer.id_to_token(i)) for i in range(shape.vocab)]
    initialize_lookup(model, words, args.seed)
matrices = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and "embed" not in name]
others = [weight for name, weight in model.named_parameters() if weight.dim() != 2 or "embed" in name]
optimizers = [
    (torch.optim.Muon(matrices, lr=args.matrix_rate, weight_decay=0.0), args.matrix_rate),
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
        with torch.autocast("cpu", torch.bfloat16):
            said = model(torch.tensor([ids]))[0].argmax(-1).tolist()
        for start, length in answers:
            right += all(said[start - 1 + i] == ids[start + i] for i in range(length))
            asked += 1
    return right / asked


# --- training -------------------------------------------------------------------------------------

checkpoint_path, log_path = args.out / "checkpoint.pt", args.out / "log.jsonl"
state = {"step": 0, "tokens": 0, "seconds": 0.0, "open_levels": 1}
if checkpoint_path.exists():
    saved = torch.load(checkpoint_path)
    state = saved["state"]
    model.load_state_dict(saved["model"])
    for (optimizer, _), kept in zip(optimizers, saved["optimizers"]):
        optimizer.load_state_dict(kept)
    # other dialogues than before
    streams = {level: dialogues(args.seed + 1000 * state["step"], level) for level in DIFFICULTIES}


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

    ids, learned = next_batch(state["open_levels"])
    before = torch.zeros_like(learned)
    before[:, :-1] = learned[:, 1:]
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(ids, before)
    loss = F.cross_entropy(logits.float(), ids[learned])
    model.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, _ in optimizers:
        optimizer.step()

    state["step"] += 1
    state["tokens"] += ids.numel()
    if state["step"] % args.exam_steps == 0:
        results = [exam(level) for level in range(state["open_levels"])]
        state["seconds"] = time.time() - begun
        line = {**state, "seconds": round(state["seconds"]), "loss": round(loss.item(), 4), "exam": [round(r, 3) for r in results]}
        print(json.dumps(line), flush=True)
        with log_path.open("a") as log:
            log.write(json.dumps(line) + "\n")
        if results[-1] >= args.solved:
            state["open_levels"] = min(len(DIFFICULTIES), state["open_levels"] + 1)
        save()
save()
