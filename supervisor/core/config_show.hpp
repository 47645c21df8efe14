// The effective configuration as a list: every key, its value as TOML, and where it was said.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"
#include "supervisor/core/config.hpp"

namespace pmctl {

// All keys of the instance `id`, as "instances.ID.KEY"; with "" those of every instance, and of [supervisor],
// [ports], [admin] where there is one, and [http]. `env` is listed variable by variable. Values that look
// secret are masked unless `show_secrets`. Error: NotFound.
Result<std::vector<ConfigValue>> show_config(const Config& config, std::string_view id, bool show_secrets);

}  // namespace pmctl
