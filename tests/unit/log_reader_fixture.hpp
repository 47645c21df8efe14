// For tests of the reader of logs: files that hold numbered lines, a second apart, and what is read of them.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/io/log_reader.hpp"
#include "tests/unit/log_folder.hpp"

namespace pmctl::test {

using Names = std::vector<std::pair<std::string, std::string>>;

struct ReaderTest {
    LogFolder folder;

    std::string of(const std::string& name) const { return folder.path + "/" + name; }
    void log(const std::string& name, const std::string& lines) const {
        put(current_log_path(of(name)), lines);
    }
    LogsReply read(const std::vector<std::string>& names, const LogsRequest& request = {}) const {
        Names pairs;
        for (const std::string& name : names) pairs.emplace_back(name, name);
        auto reply = read_log_lines(folder.path, pairs, request);
        REQUIRE(reply.has_value());
        return std::move(*reply);
    }
    LogsReply go_on(const std::vector<std::string>& names, const LogsReply& last) const {
        return read(names, after(last));
    }
    static LogsRequest after(const LogsReply& last) {
        LogsRequest request;
        request.cursor = last.cursor;
        return request;
    }
};

inline LogsRequest last_lines(std::uint64_t count) {
    LogsRequest request;
    request.lines = count;
    return request;
}

inline std::string texts(const LogsReply& reply) {
    std::string all;
    for (const LogLine& line : reply.lines) all += (all.empty() ? "" : " ") + line.text;
    return all;
}

inline std::string line(int number, LogStream stream = LogStream::Out) {
    return cri(std::to_string(number) + "\n", at_second(number), stream);
}

inline std::string lines(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += line(i);
    return text;
}

}  // namespace pmctl::test
