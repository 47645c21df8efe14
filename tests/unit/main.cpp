#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>

int main(int argc, char** argv) {
    // Some tests have both ends of a thousand connections.
    constexpr rlim_t enough = 65536;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < enough) {
        files.rlim_cur = std::min(files.rlim_max, enough);
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    return doctest::Context(argc, argv).run();
}
