// One call runs at a time; the others wait.
#pragma once

#include <mutex>

namespace pyq8 {

inline std::mutex lock;

}  // namespace pyq8
