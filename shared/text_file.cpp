#include "shared/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shared/size.hpp"

namespace pmctl {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int number() const { return number_; }

  private:
    int number_;
};

tl::unexpected<Error> system_error(const std::string& path) {
    return fail("'" + path + "': " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe): one thread
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes) {
    // O_NONBLOCK: a FIFO must not hold the caller.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.number() < 0) return system_error(path);
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) return system_error(path);
    if (S_ISDIR(status.st_mode)) return fail("'" + path + "': is a folder");
    const auto too_large = [&] { return fail("'" + path + "': is larger than " + format_size(max_bytes)); };
    if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) > max_bytes) return too_large();
    std::string text;
    // /dev/null, /dev/fd/N and /proc have no size; what is read decides.
    text.resize(S_ISREG(status.st_mode) && status.st_size > 0 ? static_cast<std::size_t>(status.st_size) + 1
                                                              : 4096);
    std::size_t used = 0;
    for (;;) {
        if (used > max_bytes) return too_large();
        if (used == text.size()) text.resize(text.size() * 2);
        const ssize_t count = ::read(file.number(), text.data() + used, text.size() - used);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return system_error(path);
        if (count == 0) break;
        used += static_cast<std::size_t>(count);
    }
    text.resize(used);
    return text;
}

}  // namespace pmctl
