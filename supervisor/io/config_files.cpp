#include "supervisor/io/config_files.hpp"

#include <glob.h>

#include <cerrno>
#include <set>

#include "shared/text_file.hpp"
#include "supervisor/io/secret_file.hpp"

namespace pmctl {
namespace {

bool is_glob(const std::string& pattern) {
    return pattern.find_first_of("*?[") != std::string::npos;
}

// Asked by glob(3) for each folder that it cannot read.
int is_fault(const char*, int error) {
    return error == ENOENT || error == ENOTDIR ? 0 : 1;
}

class Matches {
  public:
    explicit Matches(const std::string& pattern) : status_(::glob(pattern.c_str(), 0, &is_fault, &found_)) {}
    Matches(const Matches&) = delete;
    Matches& operator=(const Matches&) = delete;
    ~Matches() { ::globfree(&found_); }

    // A folder on the way that cannot be read; one that is not there matches nothing.
    bool failed() const { return status_ != 0 && status_ != GLOB_NOMATCH; }
    std::vector<std::string> paths() const {  // sorted by glob(3)
        if (status_ != 0) return {};
        return {found_.gl_pathv, found_.gl_pathv + found_.gl_pathc};
    }

  private:
    glob_t found_{};
    int status_;
};

// A bundle of all authorities of the world has 250 KB.
constexpr std::uint64_t max_ca_bytes = std::uint64_t{4} << 20;

std::string why_unreadable(const std::string& path) {
    const auto text = read_text_file(path, max_ca_bytes);
    if (!text) return text.error().message;
    return text->find("-----BEGIN ") == std::string::npos ? "'" + path + "': has no certificate in PEM" : "";
}

class Loading {
  public:
    explicit Loading(const std::string& path) : path_(path) {}

    LoadedConfig run(const Surroundings& surroundings) {
        read_main();
        // A copy: files_ grows meanwhile.
        const std::vector<Include> includes = files_.front().layer.includes;
        for (const Include& include : includes) read_matches(include);
        std::map<std::string, Result<std::string>> env_files;
        for (const auto& [path, at] : env_files_of(files_))
            env_files.emplace(path, read_text_file(path, max_config_bytes));
        const AdminPaths named = admin_paths_of(files_);
        AdminFiles admin;
        if (!named.secret_file.empty()) admin.secret = read_secret_file(named.secret_file);
        if (!named.ca_file.empty()) admin.ca_fault = why_unreadable(named.ca_file);
        return build_config(std::move(files_), env_files, std::move(problems_), surroundings, admin);
    }

  private:
    void problem(Position at, std::string message) {
        problems_.push_back({path_, at.line, at.column, std::move(message)});
    }

    void read_main() {
        seen_.insert(path_);
        const auto text = read_text_file(path_, max_config_bytes);
        if (!text) problem({}, "cannot be read: " + text.error().message);
        files_.push_back(parse_config(text.value_or(""), path_, 0, FileRole::Main));
    }

    void read_matches(const Include& include) {
        if (!is_glob(include.pattern)) return read_included(include.pattern, include.at);
        const Matches matches(include.pattern);
        if (matches.failed())
            return problem(include.at,
                           "'include' \"" + include.pattern + "\": a folder of it cannot be read");
        for (const std::string& path : matches.paths()) read_included(path, include.at);
    }

    void read_included(const std::string& path, Position at) {
        if (!seen_.insert(path).second) return;
        const auto text = read_text_file(path, max_config_bytes);
        if (!text) return problem(at, "'include' " + text.error().message);
        files_.push_back(
            parse_config(*text, path, static_cast<std::uint32_t>(files_.size()), FileRole::Included));
    }

    std::string path_;
    std::vector<ParsedFile> files_;
    std::vector<Problem> problems_;
    std::set<std::string> seen_;
};

}  // namespace

LoadedConfig load_config(const std::string& path, const Surroundings& surroundings) {
    return Loading(path).run(surroundings);
}

Surroundings surroundings_of(const char* const* environ_list, std::uint32_t uid) {
    Surroundings out;
    out.uid = uid;
    for (; environ_list != nullptr && *environ_list != nullptr; ++environ_list) {
        const std::string_view entry(*environ_list);
        const auto equals = entry.find('=', 1);
        if (equals == std::string_view::npos) continue;
        out.environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return out;
}

}  // namespace pmctl
