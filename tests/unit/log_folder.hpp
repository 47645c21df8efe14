// For tests of logs: a folder of its own that goes with it, and short ways to read and write what is in it.
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "supervisor/io/cri_format.hpp"
#include "supervisor/io/log_file.hpp"

namespace pmctl::test {

class LogFolder {
  public:
    LogFolder() {
        std::string name = std::filesystem::temp_directory_path() / "pmctl-logs-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path = name;
    }
    ~LogFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    LogFolder(const LogFolder&) = delete;
    LogFolder& operator=(const LogFolder&) = delete;

    std::string path;
};

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void put(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
}

// The whole log, all that is left of it, in order.
inline std::string whole_log(const std::string& folder) {
    std::string text;
    const auto rotated = rotated_logs(folder);
    REQUIRE(rotated);
    for (const RotatedLog& log : *rotated) text += content_of(rotated_log_path(folder, log.begin));
    return text + content_of(current_log_path(folder));
}

// No more than `more` descriptors can be opened while it lives.
class FewDescriptors {
  public:
    explicit FewDescriptors(rlim_t more) {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const int next = ::dup(STDERR_FILENO);
        ::close(next);
        const rlimit tight{static_cast<rlim_t>(next) + more, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

inline WallTime at_second(int second) {
    return WallTime(std::chrono::seconds(1'800'000'000 + second));
}

inline std::string cri(std::string_view raw, WallTime at, LogStream stream = LogStream::Out) {
    std::string lines(raw.size() * (cri_prefix_length + 2), '\0');
    lines.resize(encode_cri(raw, at, stream, lines).size);
    return lines;
}

// What the program wrote, of one stream.
inline std::string raw_of(std::string_view lines, LogStream stream = LogStream::Out) {
    std::string raw;
    while (!lines.empty()) {
        const std::size_t length = lines.find('\n');
        const auto line = parse_cri(lines.substr(0, length));
        if (!line) throw std::runtime_error("no CRI line: " + std::string(lines.substr(0, length)));
        if (line->stream == stream) {
            raw += line->text;
            if (!line->partial) raw += '\n';
        }
        lines.remove_prefix(length == std::string_view::npos ? lines.size() : length + 1);
    }
    return raw;
}

}  // namespace pmctl::test
