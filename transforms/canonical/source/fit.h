// The canonical fit of one image on one core; docs/reproducibility.md defines
// it operation by operation.
//
// Only the order of the terms within each sum is fixed. So results are computed
// in vectors, and several of them at once in registers, while each is one chain
// of fused multiply-adds.
//
// The state of an image, its weights and their two moments, is larger than a
// core's cache. So a step reads it in order and only twice: weights are updated
// by the gradient of one step, and multiplied by the inputs of the next step
// while they are in the first cache.
//
// All that is compiled for several kinds of CPUs is in an unnamed namespace, so
// that the linker never takes the code of one kind for another.
#pragma once

#include "backward.h"
#include "update.h"

namespace linac {
namespace {

template <class V, int PANEL>
void run(State<V, PANEL>& s, const Image<typename V::T>& image) {
  const Problem<typename V::T>& problem = s.problem;
  const auto forward_all = [&] {
    for (int64_t l = 0; l <= problem.layers; l++) forward(s, l);
  };
  s.initialise();
  s.load_inputs(problem.batches);
  forward_all();
  for (int64_t step = 0; step < problem.steps; step++) {
    const int32_t* indices = problem.batches + step * problem.batch;
    image.losses[step] = loss(s, image.targets, indices);
    for (int64_t l = problem.layers; l > 0; l--) backward(s, l);
    auto** before = s.activations[0];
    s.activations[0] = s.activations[1];
    s.activations[1] = before;
    // After the last step come the first pixels of the grid.
    const bool more = step + 1 < problem.steps;
    s.load_inputs(more ? indices + problem.batch : nullptr);
    const Adam<V> adam(problem.constants, problem.factors + 3 * step);
    for (int64_t l = 0; l <= problem.layers; l++) update_forward(s, l, adam);
  }
  for (int64_t p = 0; p < problem.pixels; p += problem.batch) {
    if (p) {
      s.load_inputs(nullptr, p);
      forward_all();
    }
    s.emit(problem.representation_layer, image.representation, p);
    s.emit(problem.layers, image.outputs, p);
  }
}

constexpr int kPanel = 32;

template <class V>
size_t workspace(const Problem<typename V::T>& problem) {
  return problem.batch < kPanel
             ? State<V, 0>(problem, nullptr).workspace()
             : State<V, kPanel>(problem, nullptr).workspace();
}

template <class V>
void fit(const Problem<typename V::T>& problem,
         const Image<typename V::T>& image, void* workspace) {
  if (problem.batch < kPanel) {
    State<V, 0> state(problem, workspace);
    run(state, image);
  } else {
    State<V, kPanel> state(problem, workspace);
    run(state, image);
  }
}

template <class V>
constexpr Kernel<typename V::T> kernel() {
  return {workspace<V>, fit<V>};
}

}  // namespace
}  // namespace linac
