#include "supervisor/io/log_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

std::string line(int number) {
    return cri("line " + std::to_string(number) + "\n", at_second(number));
}

std::string lines(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += line(i);
    return text;
}

std::string must_append(LogFile& file, const std::string& text) {
    const auto appended = file.append(text);
    REQUIRE(appended.outcome.has_value());
    REQUIRE(appended.size == text.size());
    return text;
}

// A disk that is full at so many bytes of one file: write(2) is cut short there, then fails.
class FileLimit {
  public:
    explicit FileLimit(std::uint64_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        old_ = std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileLimit() { lift(); }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;
    void lift() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, old_);
    }

  private:
    rlimit before_{};
    void (*old_)(int) = nullptr;
};

}  // namespace

TEST_CASE("an instance that writes nothing has no folder") {
    const LogFolder folder;
    {
        LogFile file(folder.path + "/logs/web", {});
    }
    CHECK_FALSE(std::filesystem::exists(folder.path + "/logs"));
}

TEST_CASE("the first byte makes the folder and the file, for their owner and group alone") {
    const LogFolder folder;
    LogFile file(folder.path + "/logs/web", {});
    must_append(file, line(1));
    struct stat status{};
    REQUIRE(::stat((folder.path + "/logs/web").c_str(), &status) == 0);
    CHECK((status.st_mode & 07) == 0);
    REQUIRE(::stat((folder.path + "/logs/web/current").c_str(), &status) == 0);
    CHECK((status.st_mode & 07) == 0);
    CHECK(content_of(folder.path + "/logs/web/current") == line(1));
}

TEST_CASE("rotated files are named by their place, no file is larger than allowed, and the oldest go") {
    const LogFolder folder;
    const LogSettings settings{4096, 3};
    LogFile file(folder.path, settings);
    std::string all;
    for (int i = 0; i < 500; ++i) {
        all += must_append(file, line(i));
        const auto rotated = *rotated_logs(folder.path);
        REQUIRE(rotated.size() <= 3);
        for (std::size_t n = 0; n < rotated.size(); ++n) {
            REQUIRE(rotated[n].size <= settings.max_size);
            if (n > 0) REQUIRE(rotated[n].begin == rotated[n - 1].end());
        }
        REQUIRE(std::filesystem::file_size(current_log_path(folder.path)) <= settings.max_size);
    }
    CHECK(file.end() == all.size());
    CHECK(rotated_logs(folder.path)->size() == 3);
    CHECK(all.substr(rotated_logs(folder.path)->front().begin) == whole_log(folder.path));
}

TEST_CASE("with no rotated files to keep there is one that marks the place, and it is empty") {
    const LogFolder folder;
    LogFile file(folder.path, {4096, 0});
    std::string all;
    for (int i = 0; i < 300; ++i) all += must_append(file, line(i));
    const auto rotated = *rotated_logs(folder.path);
    REQUIRE(rotated.size() == 1);
    CHECK(rotated.front().size == 0);
    CHECK(rotated.front().begin > 4096);
    CHECK(all.substr(rotated.front().begin) == whole_log(folder.path));
}

TEST_CASE("the next supervisor appends, and positions go on") {
    const LogFolder folder;
    const LogSettings settings{4096, 100};
    std::string all;
    for (int i = 0; i < 200; i += 20) {
        LogFile file(folder.path, settings);
        for (int n = i; n < i + 20; ++n) all += must_append(file, line(n));
        CHECK(file.end() == all.size());
    }
    CHECK(whole_log(folder.path) == all);
    CHECK(rotated_logs(folder.path)->size() > 1);
}

TEST_CASE("what is there is not taken for nothing where no descriptor is left to look at it") {
    const LogFolder folder;
    const LogSettings settings{4096, 100};
    std::string all;
    {
        LogFile file(folder.path, settings);
        for (int n = 0; n < 100; ++n) all += must_append(file, line(n));
    }
    REQUIRE_FALSE(rotated_logs(folder.path)->empty());
    LogFile file(folder.path, settings);
    {
        const FewDescriptors one(1);  // for `current`, and none for the folder
        const auto refused = file.append(line(100));
        CHECK(refused.size == 0);
        REQUIRE_FALSE(refused.outcome);
        CHECK(refused.outcome.error().message.find("Too many open files") != std::string::npos);
    }
    for (int n = 100; n < 200; ++n) all += must_append(file, line(n));
    CHECK(whole_log(folder.path) == all);
}

TEST_CASE("settings change live") {
    const LogFolder folder;
    LogFile file(folder.path, {1 << 20, 5});
    must_append(file, lines(0, 100));
    CHECK(rotated_logs(folder.path)->empty());
    file.set({4096, 1});
    must_append(file, lines(100, 170));
    must_append(file, lines(170, 240));
    CHECK(rotated_logs(folder.path)->size() == 1);
    CHECK(whole_log(folder.path) == lines(100, 240));
}

TEST_CASE("a torn last line is ended when it has text, and taken back when it has none") {
    const LogFolder folder;
    const std::string torn = line(2).substr(0, line(2).size() - 3);
    SUBCASE("with text") {
        put(current_log_path(folder.path), line(1) + torn);
        LogFile file(folder.path, {});
        must_append(file, line(3));
        CHECK(content_of(current_log_path(folder.path)) == line(1) + torn + "\n" + line(3));
    }
    SUBCASE("without") {
        for (std::size_t length = 1; length <= cri_prefix_length; ++length) {
            put(current_log_path(folder.path), line(1) + torn.substr(0, length));
            LogFile file(folder.path, {});
            must_append(file, line(3));
            REQUIRE(content_of(current_log_path(folder.path)) == line(1) + line(3));
        }
    }
    SUBCASE("and nothing before it") {
        put(current_log_path(folder.path), torn.substr(0, 10));
        LogFile file(folder.path, {});
        must_append(file, line(3));
        CHECK(content_of(current_log_path(folder.path)) == line(3));
    }
}

TEST_CASE("a disk that takes a part keeps whole lines, and goes on exactly there") {
    const LogFolder folder;
    const std::string text = lines(0, 200);
    for (const std::uint64_t room : {1U, 30U, 47U, 48U, 49U, 1000U, 5000U}) {
        CAPTURE(room);
        std::filesystem::remove_all(folder.path + "/web");
        LogFile file(folder.path + "/web", {});
        const std::string before = must_append(file, line(7));
        FileLimit full(before.size() + room);
        const auto part = file.append(text);
        REQUIRE_FALSE(part.outcome.has_value());
        CHECK(part.outcome.error().message == "write '" + folder.path + "/web/current': File too large");
        CHECK(part.size <= room);
        CHECK(room - part.size < line(100).size());
        CHECK((part.size == 0 || text[part.size - 1] == '\n'));
        CHECK(content_of(folder.path + "/web/current") == before + text.substr(0, part.size));
        const auto nothing = file.append(text.substr(part.size));
        CHECK(nothing.size == 0);
        full.lift();
        must_append(file, text.substr(part.size));
        CHECK(content_of(folder.path + "/web/current") == before + text);
    }
}

TEST_CASE("a folder that somebody removed is made again, and positions still rise") {
    const LogFolder folder;
    LogFile file(folder.path + "/web", {4096, 5});
    must_append(file, lines(0, 60));
    must_append(file, lines(60, 120));
    const std::uint64_t end = file.end();
    SUBCASE("the folder") {
        std::filesystem::remove_all(folder.path + "/web");
    }
    SUBCASE("the current file") {
        std::filesystem::remove(folder.path + "/web/current");
    }
    SUBCASE("all that is in the current file") {
        std::filesystem::resize_file(folder.path + "/web/current", 0);
    }
    must_append(file, line(121));
    CHECK(file.end() == end + line(121).size());
    CHECK(rotated_logs(folder.path + "/web")->back().end() == end);
    CHECK(content_of(folder.path + "/web/current") == line(121));
}

TEST_CASE("what is in the way of the log is named") {
    const LogFolder folder;
    std::filesystem::create_directories(folder.path + "/web/current");
    LogFile file(folder.path + "/web", {});
    const auto refused = file.append(line(1));
    REQUIRE_FALSE(refused.outcome.has_value());
    CHECK(refused.outcome.error().message == "open '" + folder.path + "/web/current': Is a directory");
    std::filesystem::remove(folder.path + "/web/current");
    must_append(file, line(1));
}
