// toml++, the one place where it comes in. Its own assertions do not hold for every text that is no TOML
// (3.3: a key that begins with a byte which no key may begin with), so they are left out in every build: what
// it reports is the error.
#pragma once

#define TOML_ASSERT(condition) static_assert(true)
// With NDEBUG it has the compiler take what it would assert for granted.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
