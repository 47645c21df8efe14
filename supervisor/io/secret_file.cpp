#include "supervisor/io/secret_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pmctl {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

Result<void> check_secret(const std::string& secret) {
    if (secret.empty()) return fail(ErrorKind::Invalid, "the secret is empty");
    if (secret.size() > max_secret_bytes)
        return fail(ErrorKind::Invalid,
                    "the secret has more than " + std::to_string(max_secret_bytes) + " bytes");
    const bool is_clean = std::all_of(secret.begin(), secret.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7f;
    });
    if (!is_clean)
        return fail(ErrorKind::Invalid, "the secret has a control character, or more than one line");
    return {};
}

Result<std::string> read_secret_file(const std::string& path) {
    const std::string name = "'" + path + "'";
    const auto refused = [&name](int error) { return fail(name + ": " + std::strerror(error)); };
    // O_NONBLOCK: to open a FIFO waits for its writer.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0) return refused(errno);
    struct stat found{};
    if (::fstat(file.get(), &found) != 0) return refused(errno);
    if (!S_ISREG(found.st_mode)) return fail(name + " is no regular file");
    if (found.st_uid != 0 && found.st_uid != ::geteuid())
        return fail(ErrorKind::Denied, name + " belongs to another user (uid " +
                                           std::to_string(found.st_uid) +
                                           "): chown it to the supervisor's user");
    if ((found.st_mode & 077) != 0) {
        std::array<char, 8> mode{};
        std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(found.st_mode) & 07777U);
        return fail(ErrorKind::Denied,
                    name + " may be read by others (mode " + mode.data() + "): chmod 600 it");
    }

    std::string text;
    std::array<char, max_secret_bytes> part{};
    while (text.size() <= max_secret_bytes + 2) {  // a newline more is allowed
        const ssize_t count = ::read(file.get(), part.data(), part.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return refused(errno);
        if (count == 0) break;
        text.append(part.data(), static_cast<std::size_t>(count));
    }
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    if (auto good = check_secret(text); !good)
        return fail(good.error().kind, name + ": " + good.error().message);
    return text;
}

}  // namespace pmctl
