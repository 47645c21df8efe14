// What a TARGET means: an id, a replica (`web:1`), a group (`@web`) or a glob over names (`web-*`). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"

namespace pmctl {

struct Instance;
struct Member;

// In the order of the names, each once. Error: NotFound naming each target that meets nothing, with the
// nearest name. A group or a glob that meets nothing is an error too: a typo must not look like success.
Result<std::vector<Member*>> resolve_targets(const std::map<std::string, Instance, std::less<>>& instances,
                                             const Targets& targets, bool empty_is_all);

// Is `member` one of those? What a single change costs does not grow with the number of instances.
bool concerns(const std::map<std::string, Instance, std::less<>>& instances, const Targets& targets,
              const Member& member);

// By its own name or its instance's, not by a group or a glob.
bool names(const Targets& targets, const Member& member);

// `*` any characters, `?` one, `[a-z]` and `[!a-z]` sets: glob(7), without a special role for dots and
// slashes.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace pmctl
