// Paths as text: what a relative one means. Nothing here looks at the file system.
#pragma once

#include <string>
#include <string_view>

namespace pmctl {

// "/etc/pmctl/pmctl.toml" → "/etc/pmctl"; "/pmctl.toml" → "/".
std::string folder_of(std::string_view path);

// `path` as seen from the absolute `folder`, without ".", "//" and trailing "/". ".." stays: what it means
// depends on symbolic links.
std::string resolve_path(std::string_view folder, std::string_view path);

}  // namespace pmctl
