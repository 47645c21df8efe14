// pmctl-demo-app: a small web application that misbehaves on request, to see what a supervisor does about it.
// How HTTP is spoken is tiny_http's.
#include <getopt.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <random>
#include <string>

#include "shared/json_text.hpp"
#include "shared/result.hpp"
#include "shared/time.hpp"
#include "tests/tools/tiny_http.hpp"

namespace pmctl {
namespace {

constexpr const char* usage = R"(Usage: pmctl-demo-app [OPTION...]
Answers GET /api/status with 200 and {"status":"ok",...}, and GET / with a page that says who it is.

  --port N             listen there; default: $PORT. A socket that was handed over (LISTEN_FDS) wins
  --address A          listen on this IPv4 address; default: 127.0.0.1
  --startup-delay T    do not listen before this long after the start
  --crash-after T      end with --exit-code after this long
  --crash-jitter T     up to this much later, at random
  --exit-code N        default: 1
  --hang-after T       from then on live, but answer nothing
  --ignore-term        TERM is not obeyed
  --log-rate N         lines a second to standard output, with their number and the process
  -h, --help
T is a duration: 250ms, 2s, 1m30s. TERM and INT: requests are answered to the end, then the status is 0.
)";

constexpr int handed_over_fd = 3;                           // SD_LISTEN_FDS_START, sd_listen_fds(3)
constexpr auto log_tick = std::chrono::milliseconds(50);    // lines that are due are written together
constexpr auto farewell_longest = std::chrono::seconds(5);  // for answers that nobody reads

struct Options {
    std::uint16_t port = 0;
    std::string address = "127.0.0.1";
    Duration startup_delay{};
    std::optional<Duration> crash_after;
    Duration crash_jitter{};
    int exit_code = 1;
    std::optional<Duration> hang_after;
    bool ignore_term = false;
    unsigned log_rate = 0;
    bool help = false;
};

TimePoint now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

template <class Number>
Result<Number> parse_number(const std::string& what, std::string_view text, Number least, Number most) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
        return fail(ErrorKind::Invalid, what + ": '" + std::string(text) + "' is not a number from " +
                                            std::to_string(least) + " to " + std::to_string(most));
    }
    return value;
}

Result<Options> parse_options(int argc, char** argv) {
    enum Long {
        Port = 1,
        Address,
        StartupDelay,
        CrashAfter,
        CrashJitter,
        ExitCode,
        HangAfter,
        IgnoreTerm,
        LogRate
    };
    constexpr std::array<option, 11> names = {{{"port", required_argument, nullptr, Port},
                                               {"address", required_argument, nullptr, Address},
                                               {"startup-delay", required_argument, nullptr, StartupDelay},
                                               {"crash-after", required_argument, nullptr, CrashAfter},
                                               {"crash-jitter", required_argument, nullptr, CrashJitter},
                                               {"exit-code", required_argument, nullptr, ExitCode},
                                               {"hang-after", required_argument, nullptr, HangAfter},
                                               {"ignore-term", no_argument, nullptr, IgnoreTerm},
                                               {"log-rate", required_argument, nullptr, LogRate},
                                               {"help", no_argument, nullptr, 'h'},
                                               {nullptr, 0, nullptr, 0}}};
    Options options;
    std::string port = environment("PORT");
    std::optional<Error> wrong;
    const auto duration = [](const char* name, const char* text) {
        return parse_duration(text).map_error([name](Error error) {
            error.message = std::string(name) + ": " + error.message;
            return error;
        });
    };
    const auto keep = [&wrong](const auto& parsed, auto& target) {
        if (parsed)
            target = *parsed;
        else if (!wrong)
            wrong = parsed.error();
    };
    for (int found = 0; (found = ::getopt_long(argc, argv, "h", names.data(), nullptr)) != -1;) {
        switch (found) {
            case Port: port = optarg; break;
            case Address: options.address = optarg; break;
            case StartupDelay: keep(duration("--startup-delay", optarg), options.startup_delay); break;
            case CrashAfter: keep(duration("--crash-after", optarg), options.crash_after); break;
            case CrashJitter: keep(duration("--crash-jitter", optarg), options.crash_jitter); break;
            case ExitCode: keep(parse_number("--exit-code", optarg, 0, 255), options.exit_code); break;
            case HangAfter: keep(duration("--hang-after", optarg), options.hang_after); break;
            case IgnoreTerm: options.ignore_term = true; break;
            case LogRate: keep(parse_number("--log-rate", optarg, 0U, 1'000'000U), options.log_rate); break;
            case 'h': options.help = true; break;
            default: return fail(ErrorKind::Invalid, "try 'pmctl-demo-app --help'");  // said by getopt
        }
    }
    if (optind < argc)
        return fail(ErrorKind::Invalid, "'" + std::string(argv[optind]) + "' is not an option");
    if (!port.empty()) keep(parse_number<std::uint16_t>("port", port, 1, 65535), options.port);
    if (wrong) return tl::unexpected(*wrong);
    return options;
}

class DemoApp {
  public:
    explicit DemoApp(Options options)
        : options_(std::move(options)),
          started_(now()),
          http_([this](const HttpQuestion& q) { return answer(q); }) {
        crash_at_ = TimePoint::max();
        if (options_.crash_after) {
            std::random_device random;
            const double share =
                static_cast<double>(random()) / static_cast<double>(std::random_device::max());
            crash_at_ = started_ + *options_.crash_after +
                        std::chrono::duration_cast<Duration>(options_.crash_jitter * share);
        }
        if (options_.hang_after) hang_at_ = started_ + *options_.hang_after;
        if (options_.log_rate > 0) log_at_ = started_;
    }

    // The exit status of the program.
    int run() {
        sigset_t wanted;
        sigemptyset(&wanted);
        for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&wanted, number);
        ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
        const int signals = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0) {
            std::perror("signalfd");
            return 1;
        }
        listen_at_ = started_ + options_.startup_delay;
        std::vector<pollfd> polled;
        for (;;) {
            if (const auto status = do_what_is_due()) return *status;
            polled.clear();
            polled.push_back({signals, POLLIN, 0});
            if (!hangs_) http_.add_to(polled);
            const std::size_t count = polled.size();
            if (::poll(polled.data(), count, wait_ms()) < 0 && errno != EINTR) {
                std::perror("poll");
                return 1;
            }
            if (polled[0].revents != 0) take_signals(signals);
            for (std::size_t i = 1; i < count; ++i) http_.handle(polled[i]);
        }
    }

  private:
    HttpAnswer answer(const HttpQuestion& question) {
        ++requests_;
        const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(now() - started_).count();
        if (question.path == "/api/status") {
            HttpAnswer status{.type = "application/json"};
            JsonWriter json(status.body);
            json.begin_object();
            json.key("status");
            json.string("ok");
            json.key("instance");
            json.string(environment("INSTANCE_ID"));
            json.key("replica");
            json.string(environment("REPLICA"));
            json.key("pid");
            json.number(std::int64_t{::getpid()});
            json.key("uptime_ms");
            json.number(std::int64_t{uptime});
            json.key("requests");
            json.number(requests_);
            json.end_object();
            status.body += '\n';
            return status;
        }
        if (question.path == "/") {
            say("a visitor");
            return {.body = "pmctl-demo-app\n\ninstance  " + environment("INSTANCE_ID") + "\nreplica   " +
                            environment("REPLICA") + "\nport      " + environment("PORT") + "\npid       " +
                            std::to_string(::getpid()) + "\nup for    " +
                            describe_duration(now() - started_) + "\n"};
        }
        return {.status = 404, .body = "here are / and /api/status\n"};
    }

    static void say(const std::string& text) { std::cout << text << '\n' << std::flush; }

    std::optional<int> do_what_is_due() {
        const TimePoint time = now();
        if (time >= listen_at_) {
            listen_at_ = TimePoint::max();
            if (!listen()) return 1;
        }
        if (time >= crash_at_) {
            std::cerr << "something terrible has happened: exiting with " << options_.exit_code << '\n';
            return options_.exit_code;
        }
        if (time >= hang_at_) {
            hang_at_ = TimePoint::max();
            hangs_ = true;
            say("from now on nothing is answered");
        }
        if (time >= log_at_) write_lines(time);
        if (stopping_ && (http_.is_idle() || hangs_ || time >= leave_at_)) {
            say("goodbye");
            return 0;
        }
        return std::nullopt;
    }

    bool listen() {
        if (environment("LISTEN_PID") == std::to_string(::getpid()) && !environment("LISTEN_FDS").empty()) {
            http_.take(handed_over_fd);
            say("listening on the socket that was handed over");
            return true;
        }
        if (options_.port == 0) {
            std::cerr << "pmctl-demo-app: no port: neither --port nor $PORT nor a handed-over socket\n";
            return false;
        }
        const auto socket = TinyHttp::listen_on(options_.address, options_.port);
        if (!socket) {
            std::cerr << "pmctl-demo-app: " << socket.error().message << '\n';
            return false;
        }
        http_.take(*socket);
        say("listening on " + options_.address + ":" + std::to_string(options_.port));
        return true;
    }

    // In pieces that are never mixed with those of another process that writes to the same pipe: pipe(7).
    void write_lines(TimePoint time) {
        const auto due = static_cast<std::uint64_t>(std::chrono::duration<double>(time - started_).count() *
                                                    options_.log_rate);
        const std::string end = " (" + std::to_string(::getpid()) + ")\n";
        std::string lines;
        while (lines_ < due) {
            const std::string line = "line " + std::to_string(++lines_) + end;
            if (lines.size() + line.size() > PIPE_BUF) {
                std::cout << lines << std::flush;
                lines.clear();
            }
            lines += line;
        }
        std::cout << lines << std::flush;
        log_at_ = time + std::max<Duration>(log_tick, std::chrono::seconds(1) / options_.log_rate);
    }

    [[nodiscard]] int wait_ms() const {
        const TimePoint next = std::min({listen_at_, crash_at_, hang_at_, log_at_, leave_at_});
        if (next == TimePoint::max()) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now()).count();
        return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
    }

    void take_signals(int signals) {
        signalfd_siginfo info{};
        while (::read(signals, &info, sizeof info) == sizeof info) {
            const bool is_stop = info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
            const std::string name = ::sigabbrev_np(static_cast<int>(info.ssi_signo));
            if (!is_stop || (options_.ignore_term && info.ssi_signo == SIGTERM)) {
                say("SIG" + name + ": ignored");
                continue;
            }
            say("SIG" + name + ": stopping");
            stopping_ = true;
            listen_at_ = TimePoint::max();
            leave_at_ = now() + farewell_longest;
            http_.stop_listening();
        }
    }

    Options options_;
    TimePoint started_;
    TinyHttp http_;
    TimePoint listen_at_ = TimePoint::max();
    TimePoint crash_at_ = TimePoint::max();
    TimePoint hang_at_ = TimePoint::max();
    TimePoint log_at_ = TimePoint::max();
    TimePoint leave_at_ = TimePoint::max();
    bool hangs_ = false;
    bool stopping_ = false;
    std::uint64_t requests_ = 0;
    std::uint64_t lines_ = 0;
};

}  // namespace
}  // namespace pmctl

int main(int argc, char** argv) {
    const auto options = pmctl::parse_options(argc, argv);
    if (!options) {
        std::cerr << "pmctl-demo-app: " << options.error().message << '\n';
        return pmctl::exit_status(options.error().kind);
    }
    if (options->help) {
        std::cout << pmctl::usage;
        return 0;
    }
    return pmctl::DemoApp(*options).run();
}
