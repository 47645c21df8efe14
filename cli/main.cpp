// pmctl: arguments in, one command, exit status out.
#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/session.hpp"
#include "cli/up.hpp"

namespace {

using namespace pmctl;

Result<int> run(Session& session) {
    switch (session.args().command) {
        case Command::Up: return run_up(session);
        case Command::Down: return run_down(session);
        case Command::Upgrade: return run_upgrade(session);
        case Command::Status: return run_status(session);
        case Command::Start:
        case Command::Stop:
        case Command::Restart: return run_action(session);
        case Command::Reload:
        case Command::Plan: return run_reload(session);
        case Command::Logs: return run_logs(session);
        case Command::Events: return run_events(session);
        case Command::Why: return run_why(session);
        case Command::Wait: return run_wait(session);
        case Command::Scale: return run_scale(session);
        case Command::Signal: return run_signal(session);
        case Command::Reset: return run_reset(session);
        case Command::Ports: return run_ports(session);
        case Command::Routes: return run_routes(session);
        case Command::Admin: return run_admin(session);
        case Command::Report: return run_report(session);
        case Command::Config: return run_config(session);
        case Command::Validate: return run_validate(session);
        case Command::Init: return run_init(session);
        case Command::Completion: return run_completion(session);
        case Command::Help: session.print(session.args().help); return 0;
        case Command::Version:
            session.print(session.args().json ? "{\"version\":\"" PMCTL_VERSION "\"}\n"
                                              : "pmctl " PMCTL_VERSION "\n");
            return 0;
    }
    return 0;
}

int run_words(const std::vector<std::string>& words) {
    auto arguments = parse_arguments(words);
    if (!arguments) {
        // Without arguments there is no session yet; an error is to be JSON where that was asked for.
        Arguments bare;
        for (const std::string& word : words) bare.json = bare.json || word == "--json";
        Session(bare).say_error(arguments.error());
        return exit_status(arguments.error().kind);
    }
    Session session(std::move(*arguments));
    const Result<int> status = run(session);
    session.flush();
    if (status) return *status;
    session.say_error(status.error());
    return exit_status(status.error().kind);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // told by the write itself: Session::flush
    try {
        return run_words({argv + 1, argv + argc});
    } catch (const std::exception& bug) {
        Session(Arguments()).say(std::string("a bug: ") + bug.what());
        return exit_status(ErrorKind::Failed);
    }
}
