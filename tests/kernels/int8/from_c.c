// A session with regions from C: argv = ONNX Runtime's library, pyq8's library, a model of one float input x
// (1, 8, 11, 13) and one output y; prints the numbers of y. Declares what it uses of onnxruntime_c_api.h.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { void** (*get)(uint32_t version); const char* (*version)(void); } Base;
enum { kText = 2, kEnv = 3, kSession = 7, kRun = 9, kOptions = 10, kTensor = 49, kData = 51, kCount = 64, kShape = 65, kMemory = 69 };

static void** api;
#define MUST(call)                                                                         \
  do {                                                                                     \
    void* status = call;                                                                   \
    if (status) {                                                                          \
      fprintf(stderr, "%s\n", ((const char* (*)(void*))api[kText])(status));               \
      exit(1);                                                                             \
    }                                                                                      \
  } while (0)

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  void* runtime = dlopen(argv[1], RTLD_NOW);
  void* kernels = dlopen(argv[2], RTLD_NOW);
  if (!runtime || !kernels) return fprintf(stderr, "%s\n", dlerror()), 1;
  const Base* base = ((const Base* (*)(void))dlsym(runtime, "OrtGetApiBase"))();
  api = base->get(18);
  void *env, *options, *session, *memory, *x, *y = NULL, *info;
  MUST(((void* (*)(int, const char*, void**))api[kEnv])(3, "c", &env));
  MUST(((void* (*)(void**))api[kOptions])(&options));
  MUST(((void* (*)(void*, const Base*))dlsym(kernels, "RegisterCustomOps"))(options, base));
  MUST(((void* (*)(void*, const char*, void*, void**))api[kSession])(env, argv[3], options, &session));
  static float image[8 * 11 * 13];
  for (int i = 0; i < 8 * 11 * 13; ++i) image[i] = (float)(i % 7) - 3;
  const int64_t shape[] = {1, 8, 11, 13};
  MUST(((void* (*)(int, int, void**))api[kMemory])(0, 0, &memory));
  MUST(((void* (*)(void*, void*, size_t, const int64_t*, size_t, int, void**))api[kTensor])(memory, image, sizeof image,
                                                                                          shape, 4, 1, &x));
  const char *in = "x", *out = "y";
  MUST(((void* (*)(void*, void*, const char* const*, void* const*, size_t, const char* const*, size_t, void**))api[kRun])(
      session, NULL, &in, &x, 1, &out, 1, &y));
  float* numbers;
  size_t count;
  MUST(((void* (*)(void*, void**))api[kShape])(y, &info));
  MUST(((void* (*)(void*, size_t*))api[kCount])(info, &count));
  MUST(((void* (*)(void*, float**))api[kData])(y, &numbers));
  for (size_t i = 0; i < count; ++i) printf("%.9g\n", numbers[i]);
  return 0;
}
