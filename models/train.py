"""Train Nibble's default model and write it as a Q4_0 GGUF.

    apt install python3-torch libopenblas0-pthread
    python3 models/train.py                          # writes models/nibble-tiny.gguf

A llama-family transformer, trained from nothing on the conversations of generate.py:

    token -> embedding -> [ x += attention(norm(x));  x += down(silu(gate(norm(x))) * up(norm(x))) ] * layers
          -> norm -> embedding^T -> logits

The second half of the training sees the weights as Q4_0 will store them (the gradient passes the rounding unchanged),
so what is written to the file answers like what was trained.
"""

import argparse
import collections
import math
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import generate
from examination import examination
from gguf_writer import BLOCK, dequantise_q4_0, quantise_q4_0, write_gguf
from tokenizer import END_OF_TEXT, IM_END, IM_START, SPECIAL, Tokenizer

# ---- Model ---------------------------------------------------------------------------------------------------------


@dataclass
class Shape:
    width: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 384
    vocabulary: int = 768
    context: int = 512
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head(self):
        return self.width // self.heads


class RoundToQ4(torch.autograd.Function):
    """Weights as Q4_0 stores them; the gradient passes unchanged (a straight-through estimator)."""

    @staticmethod
    def forward(ctx, weights):
        blocks = weights.reshape(-1, BLOCK)
        scale = blocks.gather(1, blocks.abs().argmax(1, keepdim=True)) / -8
        inverse = torch.where(scale != 0, 1 / scale, torch.zeros_like(scale))
        nibbles = torch.floor(blocks * inverse + 8.5).clamp_(0, 15)
        return ((nibbles - 8) * scale.half().float()).view_as(weights)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotate(x, cosine, sine):
    """RoPE on adjacent pairs. x [batch, time, heads, head], cosine and sine [time, 1, head / 2]"""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2)


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.quantised = False
        w, f, kv = shape.width, shape.feed_forward, shape.kv_heads * shape.head
        self.weights = nn.ParameterDict()

        def matrix(name, rows, columns, deviation):
            self.weights[name] = nn.Parameter(torch.randn(rows, columns) * deviation)

        matrix('token_embd', shape.vocabulary, w, 0.05)
        residual = (2 * shape.layers) ** -0.5
        for layer in range(shape.layers):
            matrix(f'{layer}_attn_qkv', w + 2 * kv, w, w ** -0.5)
            matrix(f'{layer}_attn_output', w, w, w ** -0.5 * residual)
            matrix(f'{layer}_ffn_gate_up', 2 * f, w, w ** -0.5)
            matrix(f'{layer}_ffn_down', w, f, f ** -0.5 * residual)
            self.weights[f'{layer}_attn_norm'] = nn.Parameter(torch.ones(w))
            self.weights[f'{layer}_ffn_norm'] = nn.Parameter(torch.ones(w))
        self.weights['output_norm'] = nn.Parameter(torch.ones(w))

        angles = torch.outer(torch.arange(shape.context).float(),
                             shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head))
        self.cosine, self.sine = angles.cos()[:, None], angles.sin()[:, None]

    def parameter_count(self):
        return sum(weight.numel() for weight in self.weights.values())

    def weight(self, name):
        weight = self.weights[name]
        return RoundToQ4.apply(weight) if self.quantised and weight.dim() == 2 else weight

    def attention(self, layer, x, mask):
        """x [batch, time, width]; mask [batch, 1, 1, time, time] holds 0 or -inf"""
        s, (batch, time_steps, _) = self.shape, x.shape
        groups = s.heads // s.kv_heads
        qkv = F.linear(x, self.weight(f'{layer}_attn_qkv')).view(batch, time_steps, s.heads + 2 * s.kv_heads, s.head)
        q, k, v = qkv.split([s.heads, s.kv_heads, s.kv_heads], dim=2)
        q, k = (rotate(part, self.cosine[:time_steps], self.sine[:time_steps]) for part in (q, k))
        q = (q * s.head ** -0.5).view(batch, time_steps, s.kv_heads, groups, s.head).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch, s.kv_heads, groups * time_steps, s.head)
        scores = (q @ k.permute(0, 2, 3, 1)).view(batch, s.kv_heads, groups, time_steps, time_steps) + mask
        mixed = scores.softmax(-1).view(batch, s.kv_heads, groups * time_steps, time_steps) @ v.transpose(1, 2)
        mixed = mixed.view(batch, s.heads, time_steps, s.head).transpose(1, 2).reshape(batch, time_steps, s.width)
        return F.linear(mixed, self.weight(f'{layer}_attn_output'))

    def feed_forward(self, layer, x):
        gate, up = F.linear(x, self.weight(f'{layer}_ffn_gate_up')).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, self.weight(f'{layer}_ffn_down'))

    def forward(self, tokens, documents, wanted):
        """tokens, documents [batch, time]: a token attends to earlier ones of its own document. `wanted` [batch, time]
        marks the places whose logits are computed. -> logits [wanted places, vocabulary]"""
        time_steps = tokens.shape[1]
        visible = (documents[:, :, None] == documents[:, None, :]) & torch.ones(time_steps, time_steps).tril().bool()
        mask = torch.zeros(visible.shape).masked_fill_(~visible, -math.inf)[:, None, None]
        embedding, epsilon = self.weight('token_embd'), self.shape.epsilon
        x = F.embedding(tokens, embedding)
        for layer in range(self.shape.layers):
            x = x + self.attention(layer, rms_norm(x, self.weights[f'{layer}_attn_norm'], epsilon), mask)
            x = x + self.feed_forward(layer, rms_norm(x, self.weights[f'{layer}_ffn_norm'], epsilon))
        return F.linear(rms_norm(x[wanted], self.weights['output_norm'], epsilon), embedding)


# ---- Data ----------------------------------------------------------------------------------------------------------


def encode_conversation(messages, tokenizer, open_answer=False):
    """-> tokens, and for each whether it is to be learnt: the assistant's words and the end of its turn"""
    tokens, learnt = [], []
    for message in messages:
        is_answer = message['role'] == 'assistant'
        head = [IM_START, *tokenizer.encode(message['role'] + '\n')]
        body = [*tokenizer.encode(message['content']), IM_END]
        tail = tokenizer.encode('\n')
        tokens += head + body + tail
        learnt += [False] * len(head) + [is_answer] * len(body) + [False] * len(tail)
    if open_answer:
        tokens += [IM_START, *tokenizer.encode('assistant\n')]
    return tokens, learnt


def pack(documents, length, rng):
    """Documents of (tokens, learnt) -> rows of `length`: tokens, learnt, document numbers, all [rows, length]"""
    rows, open_rows = [], []
    for document in documents:
        need = len(document[0])
        if need > length:
            continue
        fitting = [row for row in open_rows if row[0] >= need]
        if fitting:
            row = min(fitting, key=lambda row: row[0])
        else:
            if len(open_rows) == 64:
                open_rows.remove(min(open_rows, key=lambda row: row[0]))
            row = [length, []]
            open_rows.append(row)
            rows.append(row)
        row[0] -= need
        row[1].append(document)

    tokens = np.full((len(rows), length), END_OF_TEXT, dtype=np.int64)
    learnt = np.zeros((len(rows), length), dtype=bool)
    numbers = np.full((len(rows), length), -1, dtype=np.int32)
    rng.shuffle(rows)
    for index, (_, members) in enumerate(rows):
        at = 0
        for number, (ids, marks) in enumerate(members):
            tokens[index, at:at + len(ids)] = ids
            learnt[index, at:at + len(ids)] = marks
            numbers[index, at:at + len(ids)] = number
            at += len(ids)
    return torch.from_numpy(tokens), torch.from_numpy(learnt), torch.from_numpy(numbers)


# ---- Training ------------------------------------------------------------------------------------------------------

TOKENS_PER_STEP = 2048
SHORT, LONG = 128, 512
LONG_FROM = 0.75


def train(model, short, long, steps, peak_rate, log_every=50):
    """`short` and `long` are packed rows; the last part of the steps sees the long ones."""
    matrices = [weight for weight in model.weights.values() if weight.dim() == 2]
    vectors = [weight for weight in model.weights.values() if weight.dim() == 1]
    optimiser = torch.optim.AdamW([{'params': matrices, 'weight_decay': 0.1}, {'params': vectors, 'weight_decay': 0.0}],
                                  lr=peak_rate, betas=(0.9, 0.98))
    started, since, losses = time.time(), time.time(), []
    order = []
    for step in range(steps):
        model.quantised = step >= steps // 2
        progress = step / steps
        rate = peak_rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group['lr'] = rate
        if step in (0, int(steps * LONG_FROM)):
            tokens, learnt, numbers = long if step else short
            batch, order = TOKENS_PER_STEP // tokens.shape[1], []
        if len(order) < batch:
            order = torch.randperm(len(tokens))
        rows, order = order[:batch], order[batch:]

        wanted = F.pad(learnt[rows, 1:], (0, 1))
        loss = F.cross_entropy(model(tokens[rows], numbers[rows], wanted), tokens[rows][:, 1:][wanted[:, :-1]])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

        losses.append(loss.item())
        if (step + 1) % log_every == 0 or step + 1 == steps:
            now = time.time()
            left = (now - started) / (step + 1) * (steps - step - 1)
            speed = len(losses) * TOKENS_PER_STEP / (now - since)
            print(f'step {step + 1}/{steps}  loss {sum(losses) / len(losses):.4f}  {speed:,.0f} tokens/s  '
                  f'{left / 60:.1f} min left{"  (Q4_0)" if model.quantised else ""}', flush=True)
            since, losses = now, []


# ---- The file ------------------------------------------------------------------------------------------------------


def gguf_tensors(model):
    """The weights under llama.cpp's names, with the fused matrices taken apart."""
    s, weights = model.shape, {name: weight.detach().numpy() for name, weight in model.weights.items()}
    kv = s.kv_heads * s.head
    tensors = {'token_embd.weight': weights['token_embd'], 'output_norm.weight': weights['output_norm']}
    for layer in range(s.layers):
        qkv, gate_up = weights[f'{layer}_attn_qkv'], weights[f'{layer}_ffn_gate_up']
        parts = {
            'attn_norm': weights[f'{layer}_attn_norm'],
            'attn_q': qkv[:s.width], 'attn_k': qkv[s.width:s.width + kv], 'attn_v': qkv[s.width + kv:],
            'attn_output': weights[f'{layer}_attn_output'],
            'ffn_norm': weights[f'{layer}_ffn_norm'],
            'ffn_gate': gate_up[:s.feed_forward], 'ffn_up': gate_up[s.feed_forward:],
            'ffn_down': weights[f'{layer}_ffn_down'],
        }
        tensors.update({f'blk.{layer}.{name}.weight': part for name, part in parts.items()})
    return tensors


TOKEN_NORMAL, TOKEN_CONTROL = 1, 3

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def gguf_metadata(shape, tokenizer):
    return {
        'general.architecture': 'llama',
        'general.name': 'Nibble tiny',
        'general.description': 'The default model of Nibble: greetings, facts about Nibble and one-digit sums',
        'general.license': 'mit',
        'general.file_type': 2,
        'general.quantization_version': 2,
        'llama.block_count': shape.layers,
        'llama.context_length': shape.context,
        'llama.embedding_length': shape.width,
        'llama.feed_forward_length': shape.feed_forward,
        'llama.attention.head_count': shape.heads,
        'llama.attention.head_count_kv': shape.kv_heads,
        'llama.attention.layer_norm_rms_epsilon': shape.epsilon,
        'llama.rope.dimension_count': shape.head,
        'llama.rope.freq_base': shape.rope_base,
        'llama.vocab_size': shape.vocabulary,
        'tokenizer.ggml.model': 'gpt2',
        'tokenizer.ggml.pre': 'smollm',
        'tokenizer.ggml.tokens': tokenizer.tokens,
        'tokenizer.ggml.token_type': [TOKEN_CONTROL if token in SPECIAL else TOKEN_NORMAL
                                      for token in tokenizer.tokens],
        'tokenizer.ggml.merges': [f'{first} {second}' for first, second in tokenizer.merges],
        'tokenizer.ggml.bos_token_id': END_OF_TEXT,
        'tokenizer.ggml.eos_token_id': IM_END,
        'tokenizer.ggml.padding_token_id': END_OF_TEXT,
        'tokenizer.ggml.add_bos_token': False,
        'tokenizer.chat_template': CHAT_TEMPLATE,
    }


# ---- Examination ---------------------------------------------------------------------------------------------------


def as_stored(model):
    """A copy of the model whose matrices are what the file holds."""
    copy = Model(model.shape)
    with torch.no_grad():
        for name, weight in model.weights.items():
            stored = weight.detach().numpy()
            if weight.dim() == 2:
                stored = dequantise_q4_0(*quantise_q4_0(stored), stored.shape)
            copy.weights[name].copy_(torch.from_numpy(stored))
    return copy


@torch.no_grad()
def answer(model, tokenizer, conversations, limit=96):
    """The greedy answer to each conversation that ends with a question."""
    prompts = [encode_conversation(messages, tokenizer, open_answer=True)[0] for messages in conversations]
    texts = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), 64):
        running = {index: list(prompts[index]) for index in order[start:start + 64]}
        while running:
            longest = max(map(len, running.values()))
            tokens = torch.full((len(running), longest), END_OF_TEXT)
            wanted = torch.zeros(len(running), longest, dtype=torch.bool)
            for row, ids in enumerate(running.values()):
                tokens[row, :len(ids)] = torch.tensor(ids)
                wanted[row, len(ids) - 1] = True
            chosen = model(tokens, torch.zeros_like(tokens), wanted).argmax(-1).tolist()
            for index, token in zip(list(running), chosen):
                running[index].append(token)
                said = running[index][len(prompts[index]):]
                if token == IM_END or len(said) == limit:
                    texts[index] = tokenizer.decode(said)
                    del running[index]
    return texts


def examine(model, tokenizer):
    tests = examination()
    texts = answer(as_stored(model), tokenizer, [messages for _, messages, _ in tests])
    passed, total = collections.Counter(), collections.Counter()
    for (group, messages, pattern), text in zip(tests, texts):
        total[group] += 1
        if re.search(pattern, text, re.IGNORECASE):
            passed[group] += 1
        else:
            print(f'  wrong: {messages[-1]["content"]!r} -> {text!r}')
    for group in total:
        print(f'{group}: {passed[group]}/{total[group]}')


# ---- Everything in order -------------------------------------------------------------------------------------------


def rounded_millions(count):
    return f'{count / 1e6:.1f} million'


def main():
    parser = argparse.ArgumentParser(description="Train Nibble's default model.")
    parser.add_argument('--output', type=Path, default=Path(__file__).with_name('nibble-tiny.gguf'))
    parser.add_argument('--steps', type=int, default=4200)
    parser.add_argument('--conversations', type=int, default=90000)
    parser.add_argument('--learning-rate', type=float, default=3e-3)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1, help='more help on an idle machine only')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)

    shape = Shape()
    model = Model(shape)
    facts = {'size': rounded_millions(model.parameter_count()), 'layers': generate.NUMBER_WORDS[shape.layers],
             'tokens': shape.vocabulary, 'context': shape.context}
    short, long = ([generate.conversation(rng, facts, rng.randint(*turns)) for _ in range(count)] for count, turns in
                   [(arguments.conversations, (1, 2)), (arguments.conversations // 12, (3, 10))])
    tokenizer = Tokenizer(shape.vocabulary)
    tokenizer.train(f"{message['role']}\n{message['content']}" for messages in short[:20000] for message in messages)
    rows = [pack([encode_conversation(messages, tokenizer) for messages in conversations], length, rng)
            for conversations, length in [(short, SHORT), (long, LONG)]]
    print(f'{model.parameter_count():,} weights; {arguments.conversations:,} conversations in '
          f'{len(rows[0][0]):,} short and {len(rows[1][0]):,} long rows', flush=True)

    train(model, *rows, arguments.steps, arguments.learning_rate)
    size = write_gguf(arguments.output, gguf_metadata(shape, tokenizer), gguf_tensors(model))
    print(f'{arguments.output}: {size:,} bytes', flush=True)
    examine(model, tokenizer)


if __name__ == '__main__':
    main()
