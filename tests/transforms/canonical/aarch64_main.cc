// A program for an emulated CPU that calls the fit and prints what it returns.
//
// This is a placeholder: it adds some numbers.

#include <stdint.h>
#include <stdio.h>

extern "C" const char* linac_source_hash();
extern "C" void linac_add(float factor, const float* x, float* y,
                          int64_t count);

int main() {
  const float x[2] = {1, 2};
  float y[2] = {10, 20};
  linac_add(3, x, y, 2);
  printf("%s\n%g %g\n", linac_source_hash(), y[0], y[1]);
}
