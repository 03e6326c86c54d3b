/* The canonical fit of one image, operation by operation, for readers.

   Whoever does these operations in this order gets the bits of a dataset. The
   numbers in `step_numbers` and `constants` come from the host, see
   docs/reproducibility.md. Compile it for either precision, without contraction
   of products and sums, and with a correctly rounded `fma`:

     cc -O2 -ffp-contract=off -DNUMBER=float -shared -fPIC canonical_fit.c -lm
 */

#include <stdint.h>
#include <stdlib.h>
#include <tgmath.h>

typedef NUMBER T;

typedef struct {
  int64_t inputs, outputs;
  int has_bias;
  T* weights; /* [inputs][outputs], and so are both moments */
  T *mean, *square;
  T *bias, *bias_mean, *bias_square; /* [outputs] */
} Layer;

/* x [pixels][inputs] -> z [pixels][outputs]; ReLU after hidden layers. */
static void forward(const Layer* a, const T* x, T* z, int64_t pixels,
                    int hidden) {
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < a->outputs; c++) {
      T sum = 0;
      for (int64_t k = 0; k < a->inputs; k++)
        sum = fma(x[p * a->inputs + k], a->weights[k * a->outputs + c], sum);
      if (a->has_bias) sum = sum + a->bias[c];
      z[p * a->outputs + c] = hidden && sum < 0 ? 0 : sum;
    }
}

/* One parameter's step of Adam with the gradient g. */
static void adam(T g, T* w, T* m, T* v, const T* step, const T* constants) {
  const T b1 = constants[0], rest1 = constants[1], b2 = constants[2];
  const T rest2 = constants[3], eps = constants[4];
  *m = fma(b1, *m, rest1 * g);
  *v = fma(b2, *v, rest2 * (g * g));
  T u = (*m * step[0]) / (sqrt(*v * step[1]) + eps);
  *w = fma(-step[2], u, *w);
}

/* The gradient of a layer's inputs x, which are outputs of a ReLU. */
static void backward(const Layer* a, const T* x, const T* d, T* dx,
                     int64_t pixels) {
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t k = 0; k < a->inputs; k++) {
      T sum = 0;
      for (int64_t c = 0; c < a->outputs; c++)
        sum = fma(d[p * a->outputs + c], a->weights[k * a->outputs + c], sum);
      dx[p * a->inputs + k] = x[p * a->inputs + k] > 0 ? sum : 0;
    }
}

/* Updates a layer by the gradient d of its outputs. */
static void update(Layer* a, const T* x, const T* d, int64_t pixels,
                   const T* step, const T* constants) {
  for (int64_t c = 0; c < a->outputs; c++) {
    for (int64_t k = 0; k < a->inputs; k++) {
      T sum = 0;
      for (int64_t p = 0; p < pixels; p++)
        sum = fma(x[p * a->inputs + k], d[p * a->outputs + c], sum);
      int64_t i = k * a->outputs + c;
      adam(sum, &a->weights[i], &a->mean[i], &a->square[i], step, constants);
    }
    T sum = 0;
    for (int64_t p = 0; p < pixels; p++) sum = sum + d[p * a->outputs + c];
    if (a->has_bias)
      adam(sum, &a->bias[c], &a->bias_mean[c], &a->bias_square[c], step,
           constants);
  }
}

static T* zeros(int64_t size) { return calloc(size, sizeof(T)); }

/* weights: of all layers, one after the other; targets [pixels][channels];
   inputs [pixels][features]; batches [steps][batch]; step_numbers [steps][3];
   representation [pixels][units]; outputs [pixels][channels]; losses [steps].
   Memory is not freed. */
void canonical_fit(const T* weights, const T* targets, const T* inputs,
                   const int32_t* batches, const T* step_numbers,
                   const T* constants, int64_t steps, int64_t batch,
                   int64_t pixels, int64_t features, int64_t width,
                   int64_t layers, int64_t channels, int use_bias,
                   int64_t representation_layer, T* representation, T* outputs,
                   T* losses) {
  Layer* net = calloc(layers + 1, sizeof(Layer));
  T** x = calloc(layers + 2, sizeof(T*)); /* x[l]: the inputs of layer l */
  const int64_t widest = width > channels ? width : channels;
  for (int64_t l = 0; l <= layers; l++) {
    Layer* a = &net[l];
    a->inputs = l ? width : features;
    a->outputs = l < layers ? width : channels;
    a->has_bias = use_bias || l == layers; /* The output layer always has it. */
    const int64_t size = a->inputs * a->outputs;
    a->weights = zeros(size), a->mean = zeros(size), a->square = zeros(size);
    a->bias = zeros(a->outputs), a->bias_mean = zeros(a->outputs);
    a->bias_square = zeros(a->outputs);
    for (int64_t i = 0; i < size; i++) a->weights[i] = *weights++;
    x[l] = zeros(pixels * a->inputs);
  }
  x[layers + 1] = zeros(pixels * channels);
  T *d = zeros(batch * widest), *dx = zeros(batch * widest);

  for (int64_t s = 0; s < steps; s++) {
    const int32_t* grid = batches + s * batch;
    for (int64_t p = 0; p < batch; p++)
      for (int64_t f = 0; f < features; f++)
        x[0][p * features + f] = inputs[grid[p] * features + f];
    for (int64_t l = 0; l <= layers; l++)
      forward(&net[l], x[l], x[l + 1], batch, l < layers);

    T loss = 0;
    for (int64_t p = 0; p < batch; p++)
      for (int64_t c = 0; c < channels; c++) {
        T e = x[layers + 1][p * channels + c] - targets[grid[p] * channels + c];
        loss = fma(e, e, loss);
        d[p * channels + c] = e * constants[5];
      }
    losses[s] = loss / constants[6];

    for (int64_t l = layers; l >= 0; l--) {
      if (l) backward(&net[l], x[l], d, dx, batch);
      update(&net[l], x[l], d, batch, step_numbers + 3 * s, constants);
      T* swap = d;
      d = dx, dx = swap;
    }
  }

  for (int64_t i = 0; i < pixels * features; i++) x[0][i] = inputs[i];
  for (int64_t l = 0; l <= layers; l++)
    forward(&net[l], x[l], x[l + 1], pixels, l < layers);
  const int64_t units = net[representation_layer].outputs;
  for (int64_t i = 0; i < pixels * units; i++)
    representation[i] = x[representation_layer + 1][i];
  for (int64_t i = 0; i < pixels * channels; i++) outputs[i] = x[layers + 1][i];
}
