// What Python and ONNX Runtime may call.
#pragma once

#define PYQ8_API extern "C" __attribute__((visibility("default")))
