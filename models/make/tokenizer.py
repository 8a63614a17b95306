"""The tiny model's tokenizer: byte-level BPE, trained on the dialogues it will read."""
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
VOCABULARY = 2048
# a word with its space, one digit, one mark: so a code is spelled alike wherever it stands
PIECES = r" ?[A-Za-z]+|\d| ?[^\sA-Za-z\d]|\n|\s"


def word_of(token: str) -> str:
    """What a token says, whatever its space and case; byte-level BPE writes a space as Ġ."""
    return token.replace("Ġ", "").lower() or token


def texts(dialogues: Iterable[dict]) -> Iterable[str]:
    for dialogue in dialogues:
        yield dialogue["system"]
        for question in dialogue["questions"]:
            yield question["query"]
            yield question["answer"]


def train_tokenizer(dialogues: Iterable[dict]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, SYSTEM, USER, ASSISTANT, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(dialogues), trainer)
    return tokenizer
