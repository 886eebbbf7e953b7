"""Small networks that have every operator which the zoo's small files lack."""

from __future__ import annotations

_LAYERS = b"""\
name: operators
inputs: {x: [2, 8, 8, 4], s: [2, 5, 4], ids: {shape: [2, 5], dtype: int32}}
learned: {table: [9, 4], one: {shape: [1], constant: 1.5}}
parameters: {n: 4, m: 2 * n + batch}
layers:
  - {name: t, op: conv_transpose, input: x, out: n, kernel: 3, stride: 2, padding: 1}
  - {name: g, op: group_norm, groups: 2}
  - {name: i, op: instance_norm}
  - {name: r, op: resize, factor: [2, 1], mode: linear}
  - {name: p, op: repeat, factors: [1, 2, 1, 1]}
  - {name: q, op: interpolate, axis: 1, factor: 2}
  - {name: l, op: lstm, input: s, hidden: 3, direction: both}
  - {name: u, op: gru, hidden: 3}
  - {name: e, op: embedding_bag, input: ids, entries: 9, out: 4}
  - {name: k, op: linear, input: s, tied_to: table, bias: false}
  - {name: v, op: softmax, axis: 1}
  - {name: d, op: divide, inputs: [v, one]}
"""

_FUNCTIONS = b"""\
name: functions
inputs: {x: [3, 6], y: [3, 6]}
layers:
  - {name: a, op: absolute, input: x}
  - {name: b, op: erf}
  - {name: c, op: exp}
  - {name: d, op: log}
  - {name: e, op: sqrt}
  - {name: f, op: reciprocal}
  - {name: g, op: negative}
  - {name: h, op: floor}
  - {name: i, op: identity}
  - {name: j, op: tanh}
  - {name: k, op: silu}
  - {name: l, op: softplus}
  - {name: m, op: relu6}
  - {name: n, op: hard_swish}
  - {name: o, op: hard_sigmoid}
  - {name: ah, op: gelu}
  - {name: ai, op: sigmoid}
  - {name: p, op: subtract, inputs: [o, y]}
  - {name: q, op: minimum, inputs: [p, y], activation: gelu}
  - {name: r, op: greater, inputs: [q, y]}
  - {name: s, op: cast, dtype: fp32}
  - {name: t, op: floor_int32}
  - {name: u, op: sigmoid_gradient, inputs: [q, r]}
  - {name: v, op: tanh_gradient, inputs: [u, r]}
  - {name: w, op: gelu_gradient, inputs: [v, y]}
  - {name: aa, op: silu_gradient, inputs: [w, y]}
  - {name: ab, op: erf_gradient, inputs: [aa, y]}
  - {name: ac, op: relu_gradient, inputs: [ab, r]}
  - {name: ad, op: relu6_gradient, inputs: [ac, r]}
  - {name: ae, op: absolute_gradient, inputs: [ad, y]}
  - {name: af, op: hard_swish_gradient, inputs: [ae, y]}
  - {name: ag, op: hard_sigmoid_gradient, inputs: [af, r]}
"""

_INDICES = b"""\
name: indices
inputs:
  x: [12, 8]
  scores: [2, 40]
  which: {shape: [9], dtype: int32}
  time: [2, 6, 8]
  state: [2, 6, 4]
layers:
  - {name: best, op: top_k, input: scores, k: 6, parts: 4, result: indices}
  - {name: order, op: argsort, input: scores}
  - {name: sorted, op: sort, input: scores, axis: 1}
  - {name: taken, op: gather, inputs: [scores, best], axis: 1, batch_axes: 1}
  - {name: rows, op: gather, inputs: [x, which]}
  - {name: added, op: scatter_add, inputs: [rows, which], out: 12}
  - {name: numbers, op: row_numbers, input: which, rows: 7, tables: [1, 3]}
  - {name: hot, op: one_hot, input: which, out: 5}
  - {name: values, op: table, input: which, rows: [[0.0, 1], [0.25, 2], [0.5, -3]]}
  - {name: steps, op: ramp, input: x, axis: 0, count: 12, start: -1.0, step: 0.125}
  - {name: share, op: softmax, input: x}
  - {name: mixed, op: mixture_of_experts, input: x, experts: 4, per_token: 2, hidden: 6, skew: 0.5}
  - {name: sent, op: dispatch, input: x, tokens: 12, experts: 2, per_token: 1, skew: 0.0, seed: 0,
     rows: 6}
  - {name: back, op: collect, input: x, tokens: 6, experts: 2, per_token: 2, skew: 0.0, seed: 0}
  - {name: states, op: scan, inputs: [time, time], axis: 1}
  - {name: selected, op: selective_scan, inputs: [time, time, state, state]}
"""

_GRAPHS = b"""\
name: graphs
inputs: {x: [8, 4], y: [3, 2, 4], z: [2, 3, 4], w: [2, 3]}
layers:
  - {name: a, op: sparse_matmul, input: x, edges: 20, exponent: 1.0, seed: 9, weights: mean}
  - {name: b, op: graph_conv, input: x, edges: 9, out: 3, order: (AX)W}
  - {name: c, op: neighbours, input: x, nodes: 8, edges: 3, exponent: 1.0, seed: 9, weights: mean,
     width: 2}
  - {name: d, op: neighbour_sum, input: y, nodes: 8, edges: 3, exponent: 1.0, seed: 9,
     weights: mean, width: 2}
  - {name: e, op: node_order, input: x, nodes: 8, edges: 0, seed: 4, weights: sum}
  - {name: f, op: weighted_sum, inputs: [z, w]}
"""

_IMAGES = b"""\
name: images
dtype: bf16
inputs: {x: [1, 8, 8, 4], big: [1, 16, 16, 4], boxes: [1, 30, 4], scores: [1, 3, 30]}
layers:
  - {name: a, op: flip, input: x, axis: 1}
  - {name: offsets, op: conv, input: x, out: 18, kernel: 3, padding: 1}
  - {name: b, op: deform_conv, inputs: [x, offsets], out: 4, kernel: 3, padding: 1}
  - {name: c, op: conv_gradient, inputs: [x, b], kernel: 3, padding: 1}
  - {name: d, op: pool_gradient, input: x, function: sum, sizes: [16, 16], kernel: 2, stride: 2}
  - {name: kept, op: nms, inputs: [boxes, scores], out: 5, threshold: 0.4}
  - {name: e, op: roi_align, inputs: [big, x, boxes], out: [2, 2], scales: [0.25, 0.125]}
"""

NETWORKS = (_LAYERS, _FUNCTIONS, _INDICES, _GRAPHS, _IMAGES)
