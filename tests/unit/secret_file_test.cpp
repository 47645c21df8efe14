#include "supervisor/io/secret_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace pmctl;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/pmctl-secret-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string put(const std::string& text, mode_t mode = 0600) const {
        const std::string file = path + "/secret";
        ::unlink(file.c_str());
        std::ofstream(file, std::ios::binary) << text;
        REQUIRE(::chmod(file.c_str(), mode) == 0);
        return file;
    }

    std::string path;
};

Error error_of(const std::string& path) {
    const auto secret = read_secret_file(path);
    REQUIRE(!secret);
    return secret.error();
}

}  // namespace

TEST_CASE("a private file's one line is the secret") {
    const Folder folder;
    for (const auto& [text, secret] : std::vector<std::pair<std::string, std::string>>{
             {"s3cret\n", "s3cret"},
             {"s3cret", "s3cret"},
             {"s3cret\r\n", "s3cret"},
             {" two words \n", " two words "},
             {std::string(max_secret_bytes, 'x'), std::string(max_secret_bytes, 'x')},
             {std::string(max_secret_bytes, 'x') + "\r\n", std::string(max_secret_bytes, 'x')},
         }) {
        const auto found = read_secret_file(folder.put(text));
        REQUIRE(found.has_value());
        CHECK(*found == secret);
    }
    CHECK(read_secret_file(folder.put("x", 0400)).has_value());
}

TEST_CASE("a file with any permission for others or the group is refused") {
    const Folder folder;
    for (const auto& [mode, shown] : std::vector<std::pair<mode_t, std::string>>{{0644, "0644"},
                                                                                 {0640, "0640"},
                                                                                 {0604, "0604"},
                                                                                 {0620, "0620"},
                                                                                 {0601, "0601"},
                                                                                 {04644, "4644"}}) {
        const std::string path = folder.put("hidden", mode);
        const Error error = error_of(path);
        CHECK(error.kind == ErrorKind::Denied);
        CHECK(error.message == "'" + path + "' may be read by others (mode " + shown + "): chmod 600 it");
    }
}

TEST_CASE("another user's file is refused") {
    if (::geteuid() != 0) return;  // only root can make one
    const Folder folder;
    const std::string path = folder.put("hidden");
    REQUIRE(::chown(path.c_str(), 12345, 0) == 0);
    const Error error = error_of(path);
    CHECK(error.kind == ErrorKind::Denied);
    CHECK(error.message ==
          "'" + path + "' belongs to another user (uid 12345): chown it to the supervisor's user");
}

TEST_CASE("a symbolic link is followed, and what it leads to is judged") {
    const Folder folder;
    const std::string link = folder.path + "/link";
    REQUIRE(::symlink("secret", link.c_str()) == 0);
    folder.put("s3cret\n");
    const auto found = read_secret_file(link);
    REQUIRE(found.has_value());
    CHECK(*found == "s3cret");
    folder.put("s3cret\n", 0644);
    CHECK(error_of(link).kind == ErrorKind::Denied);
}

TEST_CASE("what is no secret is refused without being shown") {
    const Folder folder;
    const std::string path = folder.path + "/secret";
    for (const auto& [text, what] : std::vector<std::pair<std::string, std::string>>{
             {"", "the secret is empty"},
             {"\n", "the secret is empty"},
             {"hidden\nhidden\n", "the secret has a control character, or more than one line"},
             {"hidden\n\n", "the secret has a control character, or more than one line"},
             {std::string("hid\0den", 7), "the secret has a control character, or more than one line"},
             {std::string(max_secret_bytes + 1, 'x'), "the secret has more than 4096 bytes"},
             {std::string(100'000, 'x'), "the secret has more than 4096 bytes"},
         }) {
        folder.put(text);
        const Error error = error_of(path);
        CHECK(error.kind == ErrorKind::Invalid);
        CHECK(error.message == "'" + path + "': " + what);
    }
}

TEST_CASE("what is no regular file is refused at once") {
    const Folder folder;
    const std::string fifo = folder.path + "/fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(error_of(fifo).message == "'" + fifo + "' is no regular file");
    CHECK(error_of(folder.path).message == "'" + folder.path + "' is no regular file");
    const std::string none = folder.path + "/none";
    CHECK(error_of(none).message == "'" + none + "': No such file or directory");
}
