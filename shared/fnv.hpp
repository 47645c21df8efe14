// FNV-1a 64 (http://www.isthe.com/chongo/tech/comp/fnv/): the same number for the same bytes in every process
// and on every machine. It tells things apart, and is no secret's guard.
#pragma once

#include <cstdint>
#include <string_view>

namespace pmctl {

inline constexpr std::uint64_t fnv_begin = 0xcbf29ce484222325;

// `hash`: fnv_begin, or that of the bytes before.
constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = fnv_begin) {
    for (const char c : bytes) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3;
    }
    return hash;
}

}  // namespace pmctl
