#pragma once

#include "isa8.h"

namespace pyq8::int8 {

// The one of that name, null where this build or processor lacks it; the best for an empty name.
const Isa* find_isa(const char* name);

}  // namespace pyq8::int8
