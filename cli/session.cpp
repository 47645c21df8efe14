#include "cli/session.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cli/output.hpp"
#include "shared/control_path.hpp"
#include "shared/find_config.hpp"
#include "shared/text_file.hpp"

namespace pmctl {

namespace {

constexpr std::size_t flush_at = std::size_t{64} << 10;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

bool wants_color(ColorChoice choice, bool terminal) {
    switch (choice) {
        case ColorChoice::Always: return true;
        case ColorChoice::Never: return false;
        case ColorChoice::Auto:
            return terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
    }
    return false;
}

// False: nobody reads it any longer, or it cannot be written (errno says why).
bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

Session::Session(Arguments given)
    : args_(std::move(given)),
      terminal_(::isatty(STDOUT_FILENO) == 1),
      style_{wants_color(args_.color, terminal_) && !args_.json, 0} {}

std::size_t Session::terminal_width() const {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::size_t Session::terminal_height() const {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

void Session::print(std::string_view text) {
    out_ += text;
    if (out_.size() >= flush_at) flush();
}

void Session::flush() {
    if (write_all(STDOUT_FILENO, std::exchange(out_, {}))) return;
    const int error = errno;
    if (error != EPIPE) say(std::string("cannot write: ") + std::strerror(error));
    if (const auto lost = std::exchange(output_lost_, nullptr)) lost();
    if (error == EPIPE) std::_Exit(0);
    std::_Exit(exit_status(ErrorKind::Failed));
}

void Session::say(std::string_view text) {
    if (!out_.empty()) flush();
    write_all(STDERR_FILENO, "pmctl: " + std::string(text) + "\n");
}

void Session::say_error(const Error& error) {
    if (!out_.empty()) flush();
    write_all(STDERR_FILENO, args_.json ? error_json(error) : "pmctl: " + error.message + "\n");
}

Result<std::string> Session::config_path() const {
    std::error_code error;
    const auto folder = std::filesystem::current_path(error);
    if (error) return fail("the current folder is gone: " + error.message());
    return find_config(args_.config, environment("PMCTL_CONFIG"), folder.string());
}

Result<std::string> Session::socket_path() const {
    ControlSocketQuestion question;
    question.socket_flag = args_.socket;
    question.socket_env = environment("PMCTL_SOCKET");
    question.uid = ::geteuid();
    question.xdg_runtime_dir = environment("XDG_RUNTIME_DIR");
    // --config names a supervisor more plainly than a variable that may be left from elsewhere.
    if (!args_.config.empty()) question.socket_env.clear();
    if (question.socket_flag.empty() && question.socket_env.empty()) {
        auto path = config_path();
        if (!path) return path;
        question.config_path = std::move(*path);
        auto text = read_text_file(question.config_path, max_config_bytes);
        if (!text) return text;
        question.config_text = std::move(*text);
    }
    return control_socket(question);
}

Result<Client> Session::connect() const {
    const auto socket = socket_path();
    if (!socket) return tl::unexpected(socket.error());
    auto client = Client::connect(*socket);
    if (client) client->leave_to_process_end();
    return client;
}

}  // namespace pmctl
