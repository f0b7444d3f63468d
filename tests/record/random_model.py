"""A small Llama with random weights and a tokenizer of its own, as a GGUF file: the same file for the same seed.

python random_model.py OUT.gguf [SEED]        in the environment of requirements.txt
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from faker import Faker
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

START, END = "<|im_start|>", "<|im_end|>"
SPECIAL = ("<|endoftext|>", START, END)
CHAT_TEMPLATE = (
    "{% for m in messages %}" + START + "{{ m['role'] }}\n{{ m['content'] }}" + END + "\n{% endfor %}"
    "{% if add_generation_prompt %}" + START + "assistant\n{% endif %}"
)
# Words of the tokens: it has tokens for whole words, for syllables, and for single bytes of a character.
LOCALES = ("en_US", "de_DE", "el_GR", "ja_JP")
VOCABULARY = 1024
CONTEXT, WIDTH, HIDDEN, LAYERS, HEADS = 2048, 256, 768, 4, 4


def tokenizer(seed: int) -> Tokenizer:
    """Byte-level BPE, trained on random text."""
    texts = []
    for locale in LOCALES:
        faker = Faker(locale)
        faker.seed_instance(seed)
        texts += faker.paragraphs(nb=200)
    created = Tokenizer(models.BPE())
    created.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    created.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    created.train_from_iterator(texts, trainer)
    return created


def write(path: Path, seed: int) -> None:
    """Write the model."""
    tokens = tokenizer(seed)
    vocabulary = [token for token, _ in sorted(tokens.get_vocab().items(), key=lambda item: item[1])]
    merges = json.loads(tokens.to_str())["model"]["merges"]
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_name("tiny-random")
    out.add_file_type(0)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_feed_forward_length(HIDDEN)
    out.add_block_count(LAYERS)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_vocab_size(len(vocabulary))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(vocabulary)
    kinds = gguf.TokenType
    out.add_token_types([kinds.CONTROL if token in SPECIAL else kinds.NORMAL for token in vocabulary])
    out.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    out.add_bos_token_id(vocabulary.index(SPECIAL[0]))
    out.add_eos_token_id(vocabulary.index(END))
    out.add_add_bos_token(False)
    out.add_chat_template(CHAT_TEMPLATE)

    random = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.15).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    out.add_tensor("token_embd.weight", weights(len(vocabulary), WIDTH))
    out.add_tensor("output.weight", weights(len(vocabulary), WIDTH))
    out.add_tensor("output_norm.weight", ones)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            out.add_tensor(f"blk.{layer}.{name}.weight", weights(WIDTH, WIDTH))
        for name in ("ffn_gate", "ffn_up"):
            out.add_tensor(f"blk.{layer}.{name}.weight", weights(HIDDEN, WIDTH))
        out.add_tensor(f"blk.{layer}.ffn_down.weight", weights(WIDTH, HIDDEN))
        out.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        out.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
