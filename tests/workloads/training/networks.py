"""Small networks to train."""

PERCEPTRON = """
name: perceptron
batch: 4
inputs: {x: [batch, 6]}
layers:
  - {name: first, op: linear, out: 5, activation: tanh}
  - {name: second, op: linear, out: 3}
"""

CNN = """
name: cnn
batch: 2
inputs: {image: [batch, 9, 9, 3]}
layers:
  - {name: conv, op: conv, out: 4, kernel: 3, stride: 2, padding: 1, bias: true, activation: relu}
  - {name: depth, op: conv, out: 4, kernel: 3, groups: 4, batch_norm: true, activation: silu}
  - {name: inner, op: conv, input: conv, out: 4, kernel: 3}
  - {name: add, op: add, inputs: [depth, inner]}
  - {name: pool, op: max_pool, kernel: 3, stride: 2, padding: 1}
  - {name: up, op: conv_transpose, out: 4, kernel: 3, stride: 2, padding: 1}
  - {name: mean, op: average_pool, kernel: 2, stride: 1}
  - {name: flat, op: global_pool}
  - {name: classify, op: linear, out: 5}
"""

#: A language model with every layer of the zoo's transformers.
TRANSFORMER = """
name: transformer
batch: 2
parameters: {sequence: 4, hidden: 8, heads: 2}
inputs: {words: {shape: [batch, sequence], dtype: int32}}
blocks:
  decoder:
    layers:
      - {name: norm1, op: layer_norm}
      - {name: query, op: linear, input: norm1, out: hidden}
      - {name: key, op: linear, input: norm1, out: hidden}
      - {name: value, op: linear, input: norm1, out: hidden}
      - {name: queries, op: reshape, input: query, shape: [batch, sequence, heads, hidden // heads]}
      - {name: keys, op: reshape, input: key, shape: [batch, sequence, heads, hidden // heads]}
      - {name: values, op: reshape, input: value, shape: [batch, sequence, heads, hidden // heads]}
      - {name: scores, op: matmul, inputs: [queries, keys], equation: "bshd,bthd->bhst"}
      - {name: attention, op: softmax}
      - {name: context, op: matmul, inputs: [attention, values], equation: "bhst,bthd->bshd"}
      - {name: merged, op: reshape, shape: [batch, sequence, hidden]}
      - {name: project, op: linear, out: hidden}
      - {name: attention_add, op: add, inputs: [project, input]}
      - {name: norm2, op: layer_norm}
      - {name: expand, op: linear, out: 4 * hidden, activation: gelu}
      - {name: contract, op: linear, out: hidden}
      - {name: add, op: add, inputs: [contract, attention_add]}
layers:
  - {name: words_embedding, op: embedding, input: words, entries: 7, out: hidden}
  - {name: decoder, use: decoder, repeat: 2}
  - {name: norm, op: rms_norm}
  - {name: head, op: linear, tied_to: words_embedding, bias: false}
"""
