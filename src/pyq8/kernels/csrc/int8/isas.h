#pragma once

#include <string>

#include "int8/isa.h"

namespace pyq8::int8 {

// The one of that name, the best for an empty name. An error where this build or processor lacks it.
const Isa* find_isa(const std::string& name);

}  // namespace pyq8::int8
