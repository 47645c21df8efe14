#include "shared/path.hpp"

namespace pmctl {

std::string folder_of(std::string_view path) {
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string resolve_path(std::string_view folder, std::string_view path) {
    std::string out;
    const auto append = [&out](std::string_view rest) {
        while (!rest.empty()) {
            const auto slash = rest.find('/');
            const std::string_view part = rest.substr(0, slash);
            if (!part.empty() && part != ".") {
                out += '/';
                out += part;
            }
            if (slash == std::string_view::npos) return;
            rest.remove_prefix(slash + 1);
        }
    };
    if (!path.starts_with('/')) append(folder);
    append(path);
    return out.empty() ? "/" : out;
}

}  // namespace pmctl
