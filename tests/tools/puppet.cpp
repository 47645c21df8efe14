// puppet: a child for the system tests, which does what its steps say and reports it, so that a test waits
// for an event and never for a time. It has no clock.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "tests/tools/puppet_steps.hpp"
#include "tests/tools/tiny_http.hpp"

namespace pmctl {
namespace {

constexpr const char* usage = R"(Usage: puppet [--report FILE] [STEP...]
A STEP is one argument: a word and what belongs to it ('gate /tmp/open'). Steps are done in their order; after
the last one the puppet lives until a signal ends it (TERM, INT: status 0).
  --report FILE    append what happens to FILE, a line each: started PID, ready, listening PORT, in-use PORT,
                   gate-open, signal NAME, child PID, daemon PID, lines N, long-line, fds N, dumped,
                   stdout-closed, commands, request PATH (the first), exit CODE

Answering (every path alike):
  listen [PORT]    on 127.0.0.1:PORT, $PORT, or the socket that was handed over; taken: exits with 98
  answer STATUS    from now on; default 200
  gate FILE        503 until FILE exists
  garbage          what is no HTTP
  endless          a body that never ends
  hang             nothing at all; connections are left open
Order:
  wait FILE        the next steps once FILE exists
  commands FIFO    further steps, one a line, from FIFO (made if missing)
  ignore SIGNAL    not obeyed, but reported
  on SIGNAL CODE   exits with CODE at that signal
  exit CODE        at once
  die SIGNAL       by that signal
Doing:
  say TEXT, complain TEXT         a line to standard output, error
  lines N, error-lines N          numbered lines at full speed
  long-line BYTES                 one line, without its newline
  close-stdout
  child [ignore-term]             a process of this group, which waits
  daemon [ignore-term]            a grandchild with a session of its own
  fill-fds                        opens files until none is left
  dump FILE                       environment, limits, user, descriptors as JSON, as they were at the start
)";

class Puppet {
  public:
    Puppet(std::deque<std::string> steps, const std::string& report, std::string inherited)
        : steps_(std::move(steps)),
          report_(report),
          inherited_(std::move(inherited)),
          http_([this](const HttpQuestion& question) { return answer(question); }) {}

    int run() {
        sigset_t all;
        sigfillset(&all);
        ::sigprocmask(SIG_BLOCK, &all, nullptr);
        signals_ = ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        files_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (signals_ < 0 || files_ < 0) return complain("signalfd or inotify", errno);
        report_.say("started " + std::to_string(::getpid()));
        std::vector<pollfd> polled;
        while (!status_) {
            do_steps();
            if (status_) break;
            polled.clear();
            polled.push_back({signals_, POLLIN, 0});
            polled.push_back({files_, POLLIN, 0});
            polled.push_back({commands_, POLLIN, 0});  // -1 is left out by poll(2)
            if (!hangs_) http_.add_to(polled);
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
                return complain("poll", errno);
            if (polled[0].revents != 0) take_signals();
            if (polled[1].revents != 0) look_for_files();
            if (polled[2].revents != 0) read_commands();
            for (std::size_t i = 3; i < polled.size(); ++i) http_.handle(polled[i]);
        }
        report_.say("exit " + std::to_string(*status_));
        return *status_;
    }

  private:
    static int complain(const std::string& what, int error = 0) {
        std::cerr << "puppet: " << what << (error != 0 ? std::string(": ") + std::strerror(error) : "")
                  << '\n';
        return 2;
    }

    HttpAnswer answer(const HttpQuestion& question) {
        if (!was_asked_) report_.say("request " + question.path);
        was_asked_ = true;
        if (!gate_.empty()) return {.status = 503, .body = "the gate is closed\n"};
        return answer_;
    }

    void do_steps() {
        while (!status_ && awaited_.empty() && !steps_.empty()) {
            const std::string step = steps_.front();
            steps_.pop_front();
            std::istringstream words(step);
            std::string verb;
            words >> verb >> std::ws;
            std::string rest;
            std::getline(words, rest);
            const std::string wrong = do_step(verb, rest);
            if (wrong.empty()) continue;
            std::cerr << "puppet: step '" << step << "': " << wrong << '\n';
            status_ = 2;
        }
        if (status_ || is_ready_ || !awaited_.empty()) return;
        is_ready_ = true;
        report_.say("ready");
    }

    // What is wrong with the step; "" when it is done.
    std::string do_step(const std::string& verb, const std::string& rest) {
        const std::map<std::string, std::string (Puppet::*)(const std::string&)> steps = {
            {"listen", &Puppet::listen},
            {"answer", &Puppet::set_answer},
            {"gate", &Puppet::gate},
            {"garbage", &Puppet::garbage},
            {"endless", &Puppet::endless},
            {"hang", &Puppet::hang},
            {"wait", &Puppet::wait},
            {"commands", &Puppet::commands},
            {"ignore", &Puppet::ignore},
            {"on", &Puppet::on},
            {"exit", &Puppet::leave},
            {"die", &Puppet::die},
            {"say", &Puppet::say},
            {"complain", &Puppet::say_error},
            {"lines", &Puppet::lines},
            {"error-lines", &Puppet::error_lines},
            {"long-line", &Puppet::long_line},
            {"close-stdout", &Puppet::close_stdout},
            {"child", &Puppet::child},
            {"daemon", &Puppet::daemon},
            {"fill-fds", &Puppet::fill_fds},
            {"dump", &Puppet::dump}};
        const auto found = steps.find(verb);
        if (found == steps.end()) return "no such step; see --help";
        return (this->*found->second)(rest);
    }

    std::string listen(const std::string& rest) {
        const char* given = std::getenv("PORT");
        const char* owner = std::getenv("LISTEN_PID");
        const std::string port = !rest.empty() ? rest : given == nullptr ? "" : given;
        if (rest.empty() && owner != nullptr && owner == std::to_string(::getpid())) {
            http_.take(3);  // SD_LISTEN_FDS_START, sd_listen_fds(3)
        } else {
            const int number = std::atoi(port.c_str());
            if (number < 1 || number > 65535) return "no port";
            const auto socket = TinyHttp::listen_on("127.0.0.1", static_cast<std::uint16_t>(number));
            if (!socket) {
                complain(socket.error().message);
                report_.say("in-use " + port);
                status_ = 98;  // EADDRINUSE
                return "";
            }
            http_.take(*socket);
        }
        report_.say("listening " + port);
        return "";
    }
    std::string set_answer(const std::string& rest) {
        answer_ = {.status = std::atoi(rest.c_str()), .body = "as told\n"};
        hangs_ = false;
        return answer_.status < 100 ? "a status is needed" : "";
    }
    std::string gate(const std::string& rest) {
        gate_ = rest;
        return watch(rest);
    }
    std::string garbage(const std::string&) {
        answer_.raw = std::string("\x16\x03\x01 this is \0 no answer\r\n\r\n", 27);
        return "";
    }
    std::string endless(const std::string&) {
        answer_.raw = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand so on";
        return "";
    }
    std::string hang(const std::string&) {
        hangs_ = true;
        return "";
    }
    std::string wait(const std::string& rest) {
        awaited_ = rest;
        return watch(rest);
    }
    std::string commands(const std::string& rest) {
        if (::mkfifo(rest.c_str(), 0666) != 0 && errno != EEXIST) return std::strerror(errno);
        // For writing too: no end of file when a writer leaves.
        commands_ = ::open(rest.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (commands_ < 0) return std::strerror(errno);
        report_.say("commands");
        return "";
    }
    std::string ignore(const std::string& rest) {
        const int number = signal_number(rest);
        obeyed_[number] = std::nullopt;
        return number == 0 ? "no such signal" : "";
    }
    std::string on(const std::string& rest) {
        std::istringstream words(rest);
        std::string name;
        int code = 0;
        words >> name >> code;
        obeyed_[signal_number(name)] = code;
        return !words || signal_number(name) == 0 ? "a signal and a status are needed" : "";
    }
    std::string leave(const std::string& rest) {
        status_ = std::atoi(rest.c_str());
        return "";
    }
    std::string die(const std::string& rest) {
        const int number = signal_number(rest);
        if (number == 0) return "no such signal";
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, number);
        ::signal(number, SIG_DFL);
        ::raise(number);
        ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
        return "that signal does not kill";
    }
    std::string say(const std::string& rest) {
        std::cout << rest << '\n' << std::flush;
        return "";
    }
    std::string say_error(const std::string& rest) {
        std::cerr << rest << '\n' << std::flush;
        return "";
    }
    std::string lines(const std::string& rest) {
        write_lines(STDOUT_FILENO, std::strtoull(rest.c_str(), nullptr, 10));
        report_.say("lines " + rest);
        return "";
    }
    std::string error_lines(const std::string& rest) {
        write_lines(STDERR_FILENO, std::strtoull(rest.c_str(), nullptr, 10));
        report_.say("lines " + rest);
        return "";
    }
    std::string long_line(const std::string& rest) {
        write_long_line(STDOUT_FILENO, std::strtoull(rest.c_str(), nullptr, 10));
        report_.say("long-line");
        return "";
    }
    std::string close_stdout(const std::string&) {
        ::close(STDOUT_FILENO);
        report_.say("stdout-closed");
        return "";
    }
    std::string child(const std::string& rest) {
        report_.say("child " + std::to_string(start_child(rest == "ignore-term")));
        return "";
    }
    std::string daemon(const std::string& rest) {
        start_daemon(rest == "ignore-term", report_);
        return "";
    }
    std::string fill_fds(const std::string&) {
        report_.say("fds " + std::to_string(fill_descriptors()));
        return "";
    }
    std::string dump(const std::string& rest) {
        if (!write_whole(rest, inherited_)) return std::strerror(errno);
        report_.say("dumped");
        return "";
    }

    // The folder is watched first and looked into afterwards: what appears in between is not missed.
    std::string watch(const std::string& file) {
        const auto folder = std::filesystem::absolute(file).parent_path();
        if (::inotify_add_watch(files_, folder.c_str(), IN_CREATE | IN_MOVED_TO) < 0)
            return std::strerror(errno);
        look_for_files();
        return "";
    }

    void look_for_files() {
        std::array<char, 4096> ignored{};
        while (::read(files_, ignored.data(), ignored.size()) > 0) {
        }
        if (!awaited_.empty() && std::filesystem::exists(awaited_)) awaited_.clear();
        if (!gate_.empty() && std::filesystem::exists(gate_)) {
            gate_.clear();
            report_.say("gate-open");
        }
    }

    void read_commands() {
        std::array<char, 4096> buffer{};
        const ssize_t count = ::read(commands_, buffer.data(), buffer.size());
        if (count > 0) command_text_.append(buffer.data(), static_cast<std::size_t>(count));
        for (std::size_t end = 0; (end = command_text_.find('\n')) != std::string::npos;) {
            steps_.push_back(command_text_.substr(0, end));
            command_text_.erase(0, end + 1);
        }
    }

    void take_signals() {
        signalfd_siginfo info{};
        while (::read(signals_, &info, sizeof info) == sizeof info) {
            const int number = static_cast<int>(info.ssi_signo);
            if (number == SIGCHLD || number == SIGPIPE) continue;
            const char* name = ::sigabbrev_np(number);
            report_.say("signal " + (name == nullptr ? std::to_string(number) : std::string(name)));
            const auto told = obeyed_.find(number);
            if (told != obeyed_.end())
                status_ = told->second ? told->second : status_;
            else if (number == SIGTERM || number == SIGINT)
                status_ = 0;
        }
    }

    std::deque<std::string> steps_;
    Report report_;
    std::string inherited_;
    TinyHttp http_;
    HttpAnswer answer_{.body = "{\"status\":\"ok\"}\n"};
    std::string gate_;                          // closed until this file exists
    std::string awaited_;                       // the next step is done once this file exists
    std::map<int, std::optional<int>> obeyed_;  // nothing: ignored
    std::string command_text_;
    int signals_ = -1;
    int files_ = -1;
    int commands_ = -1;
    bool hangs_ = false;
    bool is_ready_ = false;
    bool was_asked_ = false;
    std::optional<int> status_;
};

}  // namespace
}  // namespace pmctl

int main(int argc, char** argv) {
    const std::string inherited = pmctl::describe_process(argc, argv);
    std::deque<std::string> steps(argv + 1, argv + argc);
    std::string report;
    if (!steps.empty() && (steps[0] == "--help" || steps[0] == "-h")) {
        std::cout << pmctl::usage;
        return 0;
    }
    if (steps.size() >= 2 && steps[0] == "--report") {
        report = steps[1];
        steps.erase(steps.begin(), steps.begin() + 2);
    }
    return pmctl::Puppet(std::move(steps), report, inherited).run();
}
